// Reading and validating resources. The files of tests/data/resources carry in their first lines what is expected of
// them ("# expect: line:column: beginning of the message", "# warn: …"): every expectation must come true, and nothing
// else may be said. What needs certificates is made here.

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "router/site/base64.h"
#include "router/site/field_reader.h"
#include "router/site/resource_reader.h"
#include "router/site/site_loader.h"
#include "tests/unit/site_fixtures.h"
#include "transport/tls/certificates.h"

namespace fairlead {
namespace {

std::vector<std::string> expectations(const std::string& text, const std::string& mark) {
  std::vector<std::string> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(mark)) result.push_back(line.substr(mark.size()));
  }
  return result;
}

// Each expected beginning is that of exactly one message, and no message is left.
void compare(std::vector<std::string> messages, const std::vector<std::string>& expected, const std::string& file) {
  for (const std::string& beginning : expected) {
    const auto found =
        std::ranges::find_if(messages, [&](const std::string& message) { return message.starts_with(beginning); });
    if (found == messages.end()) {
      ADD_FAILURE() << file << ": not said: " << beginning;
    } else {
      messages.erase(found);
    }
  }
  for (const std::string& message : messages)
    ADD_FAILURE() << file << ": said and not expected: " << message;
}

std::vector<std::filesystem::path> corpus(const std::string& name) {
  Diagnostics diagnostics;
  auto files = list_resource_files(test_data() / "resources" / name, diagnostics);
  EXPECT_FALSE(diagnostics.has_errors());
  EXPECT_FALSE(files.empty()) << "run with FAIRLEAD_SOURCE_ROOT set to the project's root";
  return files;
}

void check_corpus(const std::string& name) {
  const TemporaryDirectory empty;
  const NamespacePaths paths(empty.path(), "default");
  for (const std::filesystem::path& file : corpus(name)) {
    const std::string text = read_text(file);
    const auto site = load_files({file}, paths);
    compare(errors_of(site->diagnostics), expectations(text, "# expect: "), file.string());
    compare(warnings_of(site->diagnostics), expectations(text, "# warn: "), file.string());
    EXPECT_EQ(site->diagnostics.has_errors(), name == "bad") << file;
  }
}

TEST(Resources, GoodFilesAreTaken) {
  check_corpus("good");
}

TEST(Resources, BadFilesAreRefusedWithEverythingThatIsWrong) {
  check_corpus("bad");
}

Resources read(std::string_view text) {
  Resources resources;
  Diagnostics diagnostics;
  read_resources(text, "f.yaml", resources, diagnostics);
  EXPECT_EQ(errors_of(diagnostics), std::vector<std::string>{});
  return resources;
}

TEST(Resources, BothSpellingsOfALinkAreTheSame) {
  const Resources older = read(
      "apiVersion: skupper.io/v1alpha1\nkind: Link\nmetadata: {name: l}\nspec:\n  tlsSecret: s\n  cost: 10\n  "
      "interRouter: {host: gw, port: 55671}\n"
      "  edge: {host: gw, port: 45671}\n  noClientAuth: true\n");
  const Resources current = read(
      "kind: Link\nmetadata: {name: l}\nspec:\n  tlsCredentials: s\n  cost: 10\n  endpoints:\n"
      "    - {name: inter-router, host: gw, port: \"55671\"}\n    - {name: edge, host: gw, port: 45671}\n"
      "  noClientAuth: true\n");
  for (const Resources* resources : {&older, &current}) {
    ASSERT_EQ(resources->links.size(), 1U);
    const Link& link = resources->links[0];
    EXPECT_EQ(link.tls_credentials, "s");
    EXPECT_EQ(link.cost, 10U);
    EXPECT_TRUE(link.no_client_auth);
    ASSERT_EQ(link.endpoints.size(), 2U);
    EXPECT_EQ(link.endpoints[0].role, kInterRouterRole);
    EXPECT_EQ(link.endpoints[0].host, "gw");
    EXPECT_EQ(link.endpoints[0].port, 55671);
    EXPECT_EQ(link.endpoints[1].role, kEdgeRole);
    EXPECT_EQ(link.endpoints[1].port, 45671);
  }
}

TEST(Resources, AllFieldsAreRead) {
  const Resources resources = read(read_text(test_data() / "resources" / "good" / "router-access.yaml") + "---\n" +
                                   read_text(test_data() / "resources" / "good" / "services.yaml"));
  ASSERT_EQ(resources.router_accesses.size(), 1U);
  const RouterAccess& access = resources.router_accesses[0];
  EXPECT_EQ(access.bind_host, "203.0.113.7");
  EXPECT_EQ(access.credentials_name(), "fra-links");
  EXPECT_EQ(access.subject_alternative_names,
            (std::vector<std::string>{"gw1.fra.example", "203.0.113.7", "2001:db8::7"}));
  EXPECT_TRUE(access.allow_anonymous_links);
  ASSERT_EQ(access.roles.size(), 2U);
  EXPECT_EQ(access.roles[0].port, 55671);
  EXPECT_EQ(access.roles[1].port, 45671);
  ASSERT_EQ(resources.listeners.size(), 2U);
  EXPECT_EQ(resources.listeners[0].routing_key, "quotes-v1");
  EXPECT_EQ(resources.listeners[0].host, "127.0.0.1");
  EXPECT_EQ(resources.listeners[0].port, 7001);
  EXPECT_EQ(resources.listeners[0].strategy, Strategy::kBalanced);
  EXPECT_EQ(resources.listeners[1].strategy, Strategy::kLowestCost);
  ASSERT_EQ(resources.connectors.size(), 1U);
  EXPECT_EQ(resources.connectors[0].host, "10.0.0.12");
  EXPECT_FALSE(resources.connectors[0].health_probe);
}

TEST(Resources, MultiKeyListenersHaveKeysInOrderOrWithWeights) {
  const Resources resources = read(read_text(test_data() / "resources" / "good" / "multi-key-listeners.yaml"));
  ASSERT_EQ(resources.multi_key_listeners.size(), 2U);
  const RoutingKeys& orders = resources.multi_key_listeners[0].routing_keys;
  EXPECT_EQ(orders.choice, RoutingKeys::Choice::kPriority);
  EXPECT_EQ(orders.keys, (std::vector<RoutingKeys::Key>{{"orders-primary", 1}, {"orders-standby", 1}}));
  const RoutingKeys& canary = resources.multi_key_listeners[1].routing_keys;
  EXPECT_EQ(canary.choice, RoutingKeys::Choice::kWeighted);
  EXPECT_EQ(canary.keys, (std::vector<RoutingKeys::Key>{{"v1", 95}, {"v2", 5}}));
  EXPECT_EQ(resources.multi_key_listeners[1].port, 7012);
}

TEST(Resources, TheLinkTimeoutIsADuration) {
  const auto site = [](const std::string& timeout) {
    return read("kind: Site\nmetadata: {name: fra}\nspec: {linkTimeout: " + timeout + "}\n").sites.at(0).link_timeout;
  };
  EXPECT_EQ(site("~"), Duration::milliseconds(400));
  EXPECT_EQ(site("2s"), Duration::seconds(2));
  EXPECT_EQ(site("1s500ms"), Duration::milliseconds(1500));
  EXPECT_EQ(site("1m"), Duration::seconds(60));
  for (const char* wrong : {"400", "99ms", "61s", "1d", "-1s", "1.5s", "'1 s'", "s", "''"}) {
    const std::string text = std::string("kind: Site\nmetadata: {name: fra}\nspec: {linkTimeout: ") + wrong + "}\n";
    Resources resources;
    Diagnostics diagnostics;
    read_resources(text, "f.yaml", resources, diagnostics);
    ASSERT_EQ(errors_of(diagnostics).size(), 1U) << wrong;
    EXPECT_NE(errors_of(diagnostics)[0].find("allowed is a duration from 100ms to 1m, as 500ms, 2s or 1m30s"),
              std::string::npos)
        << errors_of(diagnostics)[0];
  }
}

TEST(Resources, CipherSuitesComeInTheOrderWanted) {
  const auto suites = [](const std::string& spec) {
    return read("kind: Site\nmetadata: {name: fra}\nspec: {" + spec + "}\n").sites.at(0).cipher_suites;
  };
  EXPECT_EQ(suites(""), default_suites());
  EXPECT_EQ(suites("cipherSuites: [TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256]"),
            (std::vector{CipherSuite::kChaCha20Poly1305, CipherSuite::kAes128Gcm}));
}

TEST(Resources, DurationsAreWrittenAsTheyAreRead) {
  for (const char* text : {"0s", "1ms", "999ms", "1s", "1s1ms", "1m30s", "1h", "23h59m59s999ms", "1000h"}) {
    const auto duration = parse_duration(text);
    ASSERT_TRUE(duration) << text;
    EXPECT_EQ(to_string(*duration), text);
  }
  for (const char* text : {"", "1", "ms", "1000h1ms", "1001h", "999999999999h", "1h-1s", "01s", " 1s"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Resources, LinkAccessImpliesARouterAccess) {
  Resources resources = read("kind: Site\nmetadata: {name: fra}\nspec: {linkAccess: default}\n");
  add_implied_router_access(resources);
  ASSERT_EQ(resources.router_accesses.size(), 1U);
  EXPECT_TRUE(resources.router_accesses[0].implied);
  EXPECT_EQ(resources.router_accesses[0].metadata.name, "fra");
  EXPECT_EQ(resources.router_accesses[0].roles.size(), 2U);
  add_implied_router_access(resources);
  EXPECT_EQ(resources.router_accesses.size(), 1U);

  Resources closed = read("kind: Site\nmetadata: {name: fra}\nspec: {linkAccess: none}\n");
  add_implied_router_access(closed);
  EXPECT_TRUE(closed.router_accesses.empty());
}

TEST(Resources, AFileWithoutAResourceIsWarnedOf) {
  for (const char* text : {"", "# kind: Site\n", "---\n---\n"}) {
    Resources resources;
    Diagnostics diagnostics;
    read_resources(text, "f.yaml", resources, diagnostics);
    ASSERT_EQ(diagnostics.items().size(), 1U) << text;
    EXPECT_EQ(to_string(diagnostics.items()[0]), "f.yaml: warning: there is no resource in this file");
  }
}

// A namespace of its own in a temporary directory.
class NamespaceTest : public testing::Test {
 protected:
  std::unique_ptr<LoadedSite> load() { return load_namespace(paths_); }

  std::vector<std::string> errors() { return errors_of(load()->diagnostics); }

  void write(const std::filesystem::path& relative, std::string_view contents) {
    root_.write(std::filesystem::path("namespaces/default/input") / relative, contents);
  }

  void write_link(const std::string& spec) {
    write("resources/link.yaml", "kind: Link\nmetadata: {name: west}\nspec: {tlsCredentials: west, " + spec + "}\n");
  }

  void write_secret(const PemBundle& bundle) {
    write("resources/secret.yaml", "kind: Secret\nmetadata: {name: west}\ndata:\n  ca.crt: \"" +
                                       encode_base64(bundle.ca) + "\"\n  tls.crt: \"" + encode_base64(bundle.cert) +
                                       "\"\n  tls.key: \"" + encode_base64(bundle.key) + "\"\n");
  }

  static PemBundle make_bundle(std::int32_t from_days = 0) {
    const auto ca = make_ca({.common_name = "test"});
    EXPECT_TRUE(ca);
    auto bundle =
        make_certificate(*ca, {.common_name = "c", .hosts = {"c"}, .validity_days = 10, .valid_from_days = from_days});
    EXPECT_TRUE(bundle);
    return *bundle;
  }

  static constexpr const char* kEndpoint = "endpoints: [{name: inter-router, host: gw, port: 1}]";

  TemporaryDirectory root_;
  NamespacePaths paths_{root_.path(), "default"};
};

TEST_F(NamespaceTest, SaysWhatToDoWhenThereIsNothing) {
  ASSERT_EQ(errors().size(), 1U);
  EXPECT_NE(errors()[0].find("make a Site with: fairlead site create NAME"), std::string::npos);
}

TEST_F(NamespaceTest, NeedsASite) {
  write("resources/a.yaml", "kind: Listener\nmetadata: {name: a}\nspec: {routingKey: a, host: \"::1\", port: 1}\n");
  ASSERT_EQ(errors().size(), 1U);
  EXPECT_NE(errors()[0].find("there is no Site"), std::string::npos);
}

TEST_F(NamespaceTest, WhatCouldNotBeReadIsNotSaidToBeMissing) {
  write("resources/link.yaml", std::string("kind: Link\nmetadata: {name: west}\nspec: {tlsCredentials: west, ") +
                                   kEndpoint + "}\n---\nkind: RouterAccess\nmetadata: {name: a}\n" +
                                   "spec: {roles: [{name: edge}], generateTlsCredentials: false}\n");
  EXPECT_EQ(errors().size(), 3U);
  for (const char* unread : {"kind: Site\nmetadata: {name: fra\n", "kind: Site\n",
                             "kind: Site\nmetadata: {name: &a fra}\n", "metadata: {name: fra}\n", "- kind: Site\n"}) {
    write("resources/site.yaml", unread);
    EXPECT_EQ(errors().size(), 1U) << unread;
  }
  std::filesystem::remove(paths_.input_resources() / "site.yaml");
  std::filesystem::create_symlink("nowhere", paths_.input_resources() / "site.yaml");
  EXPECT_EQ(errors().size(), 1U);
  std::filesystem::remove_all(paths_.input_resources());
  write("resources", "");
  ASSERT_EQ(errors().size(), 1U);
  EXPECT_NE(errors()[0].find("cannot read the directory"), std::string::npos) << errors()[0];
}

TEST_F(NamespaceTest, ResourcesMustBelongToIt) {
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra, namespace: other}\n");
  ASSERT_EQ(errors().size(), 1U);
  EXPECT_NE(errors()[0].find("these are the resources of namespace 'default'"), std::string::npos);
}

TEST_F(NamespaceTest, TheSameNameInTwoFilesNamesBoth) {
  write("resources/a.yaml", "kind: Site\nmetadata: {name: fra}\n");
  write("resources/b.yml", "\nkind: Site\nmetadata: {name: fra}\n");
  const auto messages = errors();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_TRUE(messages[0].starts_with("3:18: ")) << messages[0];
  EXPECT_NE(messages[0].find("a.yaml:2:18"), std::string::npos) << messages[0];
}

TEST_F(NamespaceTest, OtherFilesAreNotRead) {
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra}\n");
  write("resources/.site.yaml.swp", "kind: [");
  write("resources/site.yaml~", "kind: [");
  write("resources/notes.txt", "kind: [");
  write("resources/sub/deeper.yaml", "kind: [");
  const auto site = load();
  EXPECT_EQ(errors_of(site->diagnostics), std::vector<std::string>{});
  ASSERT_EQ(site->diagnostics.items().size(), 1U);
  EXPECT_TRUE(site->diagnostics.items()[0].position.file.ends_with("notes.txt"));
}

TEST_F(NamespaceTest, LinkWithASecret) {
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra}\n");
  write_link(kEndpoint);
  EXPECT_EQ(errors().size(), 1U);
  write_secret(make_bundle());
  EXPECT_EQ(errors(), std::vector<std::string>{});
}

TEST_F(NamespaceTest, LinkWithADirectoryThatGoesBeforeTheSecret) {
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra}\n");
  write_link(kEndpoint);
  write_secret(make_bundle());
  const PemBundle bundle = make_bundle();
  write("certs/west/ca.crt", bundle.ca);
  write("certs/west/tls.crt", bundle.cert);
  ASSERT_EQ(errors().size(), 1U);
  EXPECT_NE(errors()[0].find("certs/west has no tls.key"), std::string::npos) << errors()[0];
  write("certs/west/tls.key", bundle.key);
  EXPECT_EQ(errors(), std::vector<std::string>{});
}

TEST_F(NamespaceTest, BrokenCredentialsAreFoundBeforeAnythingStarts) {
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra}\n");
  write_link(kEndpoint);
  const PemBundle good = make_bundle();
  const std::vector<PemBundle> broken = {{"", good.cert, good.key},          {good.ca, good.cert, make_bundle().key},
                                         {"not PEM", good.cert, good.key},   {good.ca, "not PEM", good.key},
                                         {good.ca, good.cert, "not PEM"},    make_bundle(-20),
                                         {good.ca, good.cert, std::string()}};
  for (const PemBundle& bundle : broken) {
    write_secret(bundle);
    const auto messages = errors();
    ASSERT_EQ(messages.size(), 1U);
    EXPECT_NE(messages[0].find("Secret west"), std::string::npos) << messages[0];
    EXPECT_EQ(messages[0].find("PRIVATE KEY"), std::string::npos) << messages[0];
  }
}

TEST_F(NamespaceTest, NoClientAuthNeedsOnlyTheCa) {
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra}\n");
  const PemBundle bundle = make_bundle();
  write_secret({bundle.ca, "", ""});
  write_link(kEndpoint);
  EXPECT_EQ(errors().size(), 1U);
  write_link(std::string("noClientAuth: true, ") + kEndpoint);
  EXPECT_EQ(errors(), std::vector<std::string>{});
  write_secret({"", "", ""});
  EXPECT_EQ(errors().size(), 1U);
}

TEST_F(NamespaceTest, AnEndpointForTheSitesOwnRole) {
  write_link(kEndpoint);
  write_secret(make_bundle());
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra}\nspec: {edge: true}\n");
  ASSERT_EQ(errors().size(), 1U);
  EXPECT_NE(errors()[0].find("there is no endpoint for the role edge"), std::string::npos) << errors()[0];
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra}\n");
  EXPECT_EQ(errors(), std::vector<std::string>{});
}

TEST_F(NamespaceTest, AClashWithAnImpliedRouterAccessSaysHowToWriteIt) {
  const std::string site = "kind: Site\nmetadata: {name: fra}\nspec: {linkAccess: default}\n";
  write("resources/site.yaml", site +
                                   "---\nkind: Listener\nmetadata: {name: web}\n"
                                   "spec: {routingKey: web, host: 127.0.0.1, port: 45671}\n");
  auto messages = errors();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_TRUE(
      messages[0].starts_with("7:48: Listener web: spec.port: port 45671 on 127.0.0.1 is already taken by "
                              "RouterAccess fra, which listens on all interfaces, at "))
      << messages[0];
  const std::string hint = "; linkAccess of Site fra implies RouterAccess fra: to give it other ports, write it as ";
  ASSERT_NE(messages[0].find(hint), std::string::npos) << messages[0];
  const std::size_t begin = messages[0].find(hint) + hint.size();
  std::string proposed = messages[0].substr(begin, messages[0].find(", or set", begin) - begin);
  EXPECT_NE(proposed.find("55671"), std::string::npos) << proposed;
  proposed.replace(proposed.find("45671"), 5, "45672");
  write("resources/access.yaml", proposed);
  EXPECT_EQ(errors(), std::vector<std::string>{}) << proposed;

  write("resources/site.yaml", site);
  write("resources/access.yaml", "kind: RouterAccess\nmetadata: {name: in}\nspec: {roles: [{name: inter-router}]}\n");
  messages = errors();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_TRUE(
      messages[0].starts_with("3:20: RouterAccess fra: spec.roles[0]: port 55671 on all interfaces is already "
                              "taken by RouterAccess in at "))
      << messages[0];
  EXPECT_NE(messages[0].find(hint), std::string::npos) << messages[0];
}

TEST_F(NamespaceTest, AKeyThatOthersMayReadIsWarnedOf) {
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra}\n");
  const PemBundle bundle = make_bundle();
  const auto warnings = [&](int mode) {
    std::filesystem::permissions(paths_.input_resources() / "secret.yaml", static_cast<std::filesystem::perms>(mode));
    return warnings_of(load()->diagnostics);
  };
  write_secret(bundle);
  const auto said = warnings(0644);
  ASSERT_EQ(said.size(), 1U);
  EXPECT_TRUE(
      said[0].starts_with("1:1: Secret west holds a private key, and others may read this file; take that away "
                          "with: chmod 600 "))
      << said[0];
  EXPECT_EQ(warnings(0640).size(), 0U);
  EXPECT_EQ(warnings(0600).size(), 0U);
  // Certificates are no secrets.
  write("resources/secret.yaml",
        "kind: Secret\nmetadata: {name: west}\ndata: {ca.crt: \"" + encode_base64(bundle.ca) + "\"}\n");
  EXPECT_EQ(warnings(0644).size(), 0U);
}

TEST_F(NamespaceTest, ServerCredentialsAreMadeOnlyWhereThatIsMeant) {
  const auto write_site = [&](const std::string& fields) {
    write("resources/site.yaml",
          "kind: Site\nmetadata: {name: fra}\n---\nkind: RouterAccess\nmetadata: {name: a}\n"
          "spec: {roles: [{name: edge}]" +
              fields + "}\n");
  };
  const auto warnings = [&] { return warnings_of(load()->diagnostics); };
  using Texts = std::vector<std::string>;
  for (const char* silent :
       {"", ", generateTlsCredentials: true", ", tlsCredentials: own, generateTlsCredentials: true"}) {
    write_site(silent);
    EXPECT_EQ(errors(), Texts{}) << silent;
    EXPECT_EQ(warnings(), Texts{}) << silent;
  }
  write_site(", tlsCredentials: own");
  EXPECT_EQ(errors(), Texts{});
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_TRUE(warnings()[0].starts_with("6:47: RouterAccess a: spec.tlsCredentials: there is no Secret 'own'"))
      << warnings()[0];
  for (const char* refused :
       {", generateTlsCredentials: false", ", generateTlsCredentials: false, tlsCredentials: own"}) {
    write_site(refused);
    ASSERT_EQ(errors().size(), 1U) << refused;
    EXPECT_NE(errors()[0].find("spec.generateTlsCredentials: found false, but there is no Secret"), std::string::npos)
        << errors()[0];
    EXPECT_EQ(warnings(), Texts{}) << refused;
  }
  const PemBundle server = make_bundle();
  write("certs/own/ca.crt", server.ca);
  write("certs/own/tls.crt", server.cert);
  write("certs/own/tls.key", server.key);
  EXPECT_EQ(errors(), Texts{});
}

TEST_F(NamespaceTest, NoTwoRouterAccessesShareACertificateThatIsMade) {
  write("resources/site.yaml",
        "kind: Site\nmetadata: {name: fra}\n---\nkind: RouterAccess\nmetadata: {name: a}\n"
        "spec: {roles: [{name: edge}]}\n---\nkind: RouterAccess\nmetadata: {name: b}\n"
        "spec: {roles: [{name: inter-router}], tlsCredentials: a, generateTlsCredentials: true}\n");
  ASSERT_EQ(errors().size(), 1U);
  EXPECT_TRUE(
      errors()[0].starts_with("10:55: RouterAccess b: spec.tlsCredentials: the certificate 'a' would be made for "
                              "RouterAccess a at "))
      << errors()[0];
  const PemBundle server = make_bundle();
  write("certs/a/ca.crt", server.ca);
  write("certs/a/tls.crt", server.cert);
  write("certs/a/tls.key", server.key);
  EXPECT_EQ(errors(), std::vector<std::string>{});
}

TEST_F(NamespaceTest, AnIncompleteCaIsFound) {
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra}\nspec: {linkAccess: default}\n");
  EXPECT_EQ(errors(), std::vector<std::string>{});
  write("issuers/skupper-site-ca/tls.crt", make_ca({.common_name = "x"})->cert);
  ASSERT_EQ(errors().size(), 1U);
  EXPECT_NE(errors()[0].find("has no tls.key; to sign certificates both are needed"), std::string::npos) << errors()[0];
}

TEST_F(NamespaceTest, ABrokenCaIsFoundOnceAndWithItsPath) {
  const CertificateAuthority ca = make_ca({.common_name = "x"}).value();
  const PemBundle leaf = make_bundle();
  write("resources/site.yaml",
        "kind: Site\nmetadata: {name: fra}\nspec: {defaultIssuer: corporate}\n---\n"
        "kind: RouterAccess\nmetadata: {name: a}\nspec: {roles: [{name: edge}]}\n---\n"
        "kind: RouterAccess\nmetadata: {name: b}\nspec: {roles: [{name: inter-router}]}\n");
  const std::vector<std::pair<CertificateAuthority, const char*>> broken = {
      {{"not PEM", ca.key}, "holds no certificate"},
      {{ca.cert, "not PEM"}, "key cannot be used"},
      {{ca.cert, make_ca({.common_name = "y"})->key}, "key does not belong to its certificate"},
      {{leaf.cert, leaf.key}, "is not that of a CA"},
      {make_ca({.common_name = "old", .validity_days = -1}).value(), "expired on"}};
  for (const auto& [authority, says] : broken) {
    write("issuers/corporate/tls.crt", authority.cert);
    write("issuers/corporate/tls.key", authority.key);
    const auto messages = errors();
    ASSERT_EQ(messages.size(), 1U) << says;
    EXPECT_NE(messages[0].find(says), std::string::npos) << messages[0];
    EXPECT_NE(messages[0].find("input/issuers/corporate: "), std::string::npos) << messages[0];
  }
  write("issuers/corporate/tls.crt", ca.cert);
  write("issuers/corporate/tls.key", ca.key);
  EXPECT_EQ(errors(), std::vector<std::string>{});
}

TEST_F(NamespaceTest, BesideAServerCertificateABrokenCaIsAWarning) {
  const CertificateAuthority ca = make_ca({.common_name = "x"}).value();
  const PemBundle server = make_bundle();
  write("resources/site.yaml", "kind: Site\nmetadata: {name: fra}\nspec: {linkAccess: default}\n");
  write("certs/fra/ca.crt", server.ca);
  write("certs/fra/tls.crt", server.cert);
  write("certs/fra/tls.key", server.key);
  write("issuers/skupper-site-ca/tls.crt", ca.cert);
  EXPECT_EQ(errors(), std::vector<std::string>{});
  EXPECT_EQ(warnings_of(load()->diagnostics), std::vector<std::string>{});
  write("issuers/skupper-site-ca/tls.key", "not PEM");
  EXPECT_EQ(errors(), std::vector<std::string>{});
  const auto warnings = warnings_of(load()->diagnostics);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("issuers/skupper-site-ca: the CA's key cannot be used"), std::string::npos) << warnings[0];
}

}  // namespace
}  // namespace fairlead
