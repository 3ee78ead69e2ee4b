// What a site makes for itself (CA, server certificate, id), what it keeps, when it makes things anew; and the links it
// generates, shown by loading them as another site would.

#include <algorithm>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "router/site/credentials_store.h"
#include "router/site/gateway_config.h"
#include "router/site/link_generator.h"
#include "router/site/local_names.h"
#include "router/site/resource_reader.h"
#include "router/site/site_loader.h"
#include "router/site/uuid.h"
#include "tests/unit/site_fixtures.h"

namespace fairlead {
namespace {

using Renewal = CredentialsStore::Renewal;

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() {
    const char* text =
        "kind: Site\nmetadata: {name: fra}\n---\nkind: RouterAccess\nmetadata: {name: in}\nspec:\n"
        "  subjectAlternativeNames: [gw.fra.example, 203.0.113.7, '2001:db8::7']\n"
        "  roles: [{name: inter-router, port: 1111}, {name: edge, port: 2222}]\n";
    Diagnostics diagnostics;
    read_resources(text, "f.yaml", resources_, diagnostics);
    EXPECT_FALSE(diagnostics.has_errors());
  }

  RouterAccess& access() { return resources_.router_accesses.front(); }

  std::filesystem::path runtime() const { return paths_.runtime(); }

  Result<PemBundle> server(Renewal renewal = Renewal::kAsNeeded) {
    return store_.server_bundle(access(), std::string(kSiteCaName), renewal);
  }

  static mode_t mode_of(const std::filesystem::path& path) {
    struct stat status {};

    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777U;
  }

  static CertificateInfo info(const PemBundle& bundle) {
    const auto loaded = Credentials::load(bundle);
    EXPECT_TRUE(loaded) << loaded.error().message;
    return (*loaded)->certificate();
  }

  TemporaryDirectory root_;
  NamespacePaths paths_{root_.path(), "default"};
  Resources resources_;
  CredentialSource source_{resources_, paths_.input_certs(), paths_.input_issuers()};
  CredentialsStore store_{paths_, source_};
};

TEST_F(CredentialsTest, TheSiteIdStays) {
  const auto id = store_.site_id();
  ASSERT_TRUE(id);
  EXPECT_TRUE(is_uuid(*id));
  EXPECT_EQ(store_.site_id().value(), *id);
  root_.write("namespaces/default/runtime/site-id", "not one\n");
  EXPECT_EQ(store_.site_id().error().code, ErrorCode::kInvalid);
}

TEST_F(CredentialsTest, MakesACaAndAServerCertificateOnceWithPrivateKeys) {
  const auto first = server();
  ASSERT_TRUE(first) << first.error().message;
  const auto second = server();
  ASSERT_TRUE(second);
  EXPECT_EQ(first->cert, second->cert);
  EXPECT_EQ(first->key, second->key);
  EXPECT_EQ(store_.authority(std::string(kSiteCaName))->cert, first->ca);

  const CertificateInfo certificate = info(*first);
  EXPECT_EQ(certificate.dns_names, std::vector<std::string>{"gw.fra.example"});
  EXPECT_EQ(certificate.ip_addresses.size(), 2U);
  EXPECT_TRUE(is_valid_for_host(certificate, "203.0.113.7"));
  EXPECT_TRUE(is_valid_for_host(certificate, "2001:db8::7"));

  for (const char* directory : {"issuers/skupper-site-ca", "certs/in"}) {
    EXPECT_EQ(mode_of(runtime() / directory / "tls.key"), 0600U);
    EXPECT_EQ(mode_of(runtime() / directory / "tls.crt"), 0644U);
    EXPECT_EQ(mode_of(runtime() / directory), 0700U);
  }
}

TEST_F(CredentialsTest, ANewNameMakesANewCertificateButKeepsTheCa) {
  const auto first = server();
  ASSERT_TRUE(first);
  access().subject_alternative_names.push_back("gw2.fra.example");
  EXPECT_EQ(server(Renewal::kKeep)->cert, first->cert);
  const auto second = server();
  ASSERT_TRUE(second);
  EXPECT_NE(second->cert, first->cert);
  EXPECT_EQ(second->ca, first->ca);
  EXPECT_TRUE(is_valid_for_host(info(*second), "gw2.fra.example"));
  // Fewer names are no reason.
  access().subject_alternative_names.pop_back();
  EXPECT_EQ(server()->cert, second->cert);
}

TEST_F(CredentialsTest, ACertificateThatEndsSoonIsMadeAnew) {
  ASSERT_TRUE(server());
  const auto ca = store_.authority(std::string(kSiteCaName));
  ASSERT_TRUE(ca);
  const auto brief =
      make_certificate(*ca, {.common_name = "x", .hosts = access().subject_alternative_names, .validity_days = 29});
  ASSERT_TRUE(brief);
  root_.write("namespaces/default/runtime/certs/in/tls.crt", brief->cert);
  root_.write("namespaces/default/runtime/certs/in/tls.key", brief->key);
  const auto renewed = server();
  ASSERT_TRUE(renewed);
  EXPECT_NE(renewed->cert, brief->cert);
}

TEST_F(CredentialsTest, ABrokenCertificateIsMadeAnew) {
  ASSERT_TRUE(server());
  root_.write("namespaces/default/runtime/certs/in/tls.key", "half a k");
  const auto renewed = server();
  ASSERT_TRUE(renewed);
  EXPECT_FALSE(info(*renewed).dns_names.empty());
}

TEST_F(CredentialsTest, ACaWithoutItsKeyIsNotReplacedSilently) {
  ASSERT_TRUE(server());
  std::filesystem::remove(runtime() / "issuers/skupper-site-ca/tls.key");
  const auto ca = store_.authority(std::string(kSiteCaName));
  ASSERT_FALSE(ca);
  EXPECT_EQ(ca.error().code, ErrorCode::kCredentials);
  EXPECT_NE(ca.error().message.find("put the key back"), std::string::npos);
}

TEST_F(CredentialsTest, NothingIsMadeWhereThatIsForbidden) {
  access().generate_tls_credentials = false;
  EXPECT_EQ(server().error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(runtime() / "certs"));
}

TEST_F(CredentialsTest, ABrokenCaIsNamedByItsPath) {
  ASSERT_TRUE(server());
  root_.write("namespaces/default/runtime/issuers/skupper-site-ca/tls.crt", "half a certif");
  const auto ca = store_.authority(std::string(kSiteCaName));
  ASSERT_FALSE(ca);
  EXPECT_NE(ca.error().message.find("runtime/issuers/skupper-site-ca: "), std::string::npos) << ca.error().message;
}

TEST_F(CredentialsTest, WhatTheUserGivesIsUsed) {
  const auto ca = make_ca({.common_name = "corporate"});
  ASSERT_TRUE(ca);
  root_.write("namespaces/default/input/issuers/skupper-site-ca/tls.crt", ca->cert);
  root_.write("namespaces/default/input/issuers/skupper-site-ca/tls.key", ca->key);
  EXPECT_EQ(server()->ca, ca->cert);
  EXPECT_FALSE(std::filesystem::exists(runtime() / "issuers"));

  const auto own = make_certificate(*ca, {.common_name = "own", .hosts = {"own.example"}});
  ASSERT_TRUE(own);
  root_.write("namespaces/default/input/certs/in/ca.crt", own->ca);
  root_.write("namespaces/default/input/certs/in/tls.crt", own->cert);
  root_.write("namespaces/default/input/certs/in/tls.key", own->key);
  EXPECT_EQ(server()->cert, own->cert);
}

TEST_F(CredentialsTest, TwoSitesHaveCasOfDifferentNames) {
  const TemporaryDirectory other_root;
  const NamespacePaths other_paths(other_root.path(), "default");
  CredentialsStore other(other_paths, source_);
  const auto a = server();
  const auto b = other.server_bundle(access(), std::string(kSiteCaName), Renewal::kAsNeeded);
  ASSERT_TRUE(a && b);
  EXPECT_NE(info(*a).issuer, info(*b).issuer);
}

TEST(LocalNames, GivenNamesAreAll) {
  RouterAccess access;
  access.subject_alternative_names = {"b", "a"};
  EXPECT_EQ(alternative_names(access), (std::vector<std::string>{"b", "a"}));
}

TEST(LocalNames, ABindHostComesFirst) {
  RouterAccess access;
  access.bind_host = "203.0.113.7";
  EXPECT_EQ(alternative_names(access).front(), "203.0.113.7");
  for (const char* any : {"0.0.0.0", "::", "0::0"}) {
    access.bind_host = any;
    const auto names = alternative_names(access);
    EXPECT_NE(std::ranges::find(names, "localhost"), names.end());
    EXPECT_NE(std::ranges::find(names, "127.0.0.1"), names.end());
    EXPECT_EQ(std::ranges::find(names, any), names.end());
  }
}

// Another site that gets the generated file and nothing else.
struct OtherSite {
  explicit OtherSite(const std::string& link, bool edge = false) {
    root.write("namespaces/default/input/resources/site.yaml",
               std::string("kind: Site\nmetadata: {name: ams}\nspec: {edge: ") + (edge ? "true" : "false") + "}\n");
    root.write("namespaces/default/input/resources/link.yaml", link);
    std::filesystem::permissions(paths.input_resources() / "link.yaml",
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    site = load_namespace(paths);
  }

  TemporaryDirectory root;
  NamespacePaths paths{root.path(), "default"};
  std::unique_ptr<LoadedSite> site;
};

TEST_F(CredentialsTest, AGeneratedLinkIsAllThatAnotherSiteNeeds) {
  const auto text = generate_link(resources_, store_, {.cost = 7});
  ASSERT_TRUE(text) << text.error().message;
  for (const bool edge : {false, true}) {
    OtherSite other(*text, edge);
    ASSERT_EQ(errors_of(other.site->diagnostics), std::vector<std::string>{}) << *text;
    ASSERT_EQ(warnings_of(other.site->diagnostics), std::vector<std::string>{}) << *text;
    const CredentialSource source(other.site->resources, other.paths.input_certs(), other.paths.input_issuers());
    CredentialsStore store(other.paths, source);
    const auto config = make_gateway_config(other.site->resources, store);
    ASSERT_TRUE(config) << config.error().message;
    ASSERT_EQ(config->links.size(), 1U);
    const LinkConfig& link = config->links[0];
    EXPECT_EQ(link.name, "link-fra");
    EXPECT_EQ(link.cost, 7U);
    const HostPort dialled{"gw.fra.example", static_cast<std::uint16_t>(edge ? 2222 : 1111)};
    EXPECT_EQ(link.endpoints, std::vector<HostPort>{dialled});
    EXPECT_TRUE(link.present_certificate);
    EXPECT_EQ(link.credentials->certificate().issuer, link.credentials->ca().subject);
    EXPECT_EQ(link.credentials->ca().fingerprint, (*Credentials::load(*server()))->ca().fingerprint);
  }
}

TEST_F(CredentialsTest, EachGeneratedLinkHasACertificateOfItsOwn) {
  const auto first = generate_link(resources_, store_, {.name = "a", .host = "203.0.113.7"});
  const auto second = generate_link(resources_, store_, {.name = "b", .host = "2001:db8::7"});
  ASSERT_TRUE(first && second);
  OtherSite a(*first);
  OtherSite b(*second);
  ASSERT_EQ(a.site->resources.secrets.size(), 1U);
  ASSERT_EQ(b.site->resources.secrets.size(), 1U);
  EXPECT_NE(a.site->resources.secrets[0].data.at("tls.key"), b.site->resources.secrets[0].data.at("tls.key"));
  EXPECT_EQ(a.site->resources.secrets[0].data.at("ca.crt"), b.site->resources.secrets[0].data.at("ca.crt"));
  EXPECT_EQ(a.site->resources.links[0].endpoints[0].host, "203.0.113.7");
  EXPECT_EQ(b.site->resources.links[0].endpoints[0].host, "2001:db8::7");
}

TEST_F(CredentialsTest, AHostThatTheCertificateDoesNotNameIsRefused) {
  const auto link = generate_link(resources_, store_, {.host = "gw2.fra.example"});
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code, ErrorCode::kInvalid);
  EXPECT_NE(link.error().message.find("gw.fra.example"), std::string::npos) << link.error().message;
  EXPECT_NE(link.error().message.find("subjectAlternativeNames"), std::string::npos) << link.error().message;
  EXPECT_NE(link.error().message.find("add 'gw2.fra.example' to spec.subjectAlternativeNames of RouterAccess in"),
            std::string::npos)
      << link.error().message;
  EXPECT_FALSE(generate_link(resources_, store_, {.host = "Not A Host"}));
  EXPECT_FALSE(generate_link(resources_, store_, {.name = "Not A Name"}));
}

TEST_F(CredentialsTest, AHostIsAddedToAListWithTheNamesThatWereFoundWithoutOne) {
  access().subject_alternative_names.clear();
  access().bind_host = "2001:db8::7";
  const auto link = generate_link(resources_, store_, {.host = "gw2.fra.example"});
  ASSERT_FALSE(link);
  EXPECT_NE(link.error().message.find("set spec.subjectAlternativeNames of RouterAccess in to "
                                      "[\"gw2.fra.example\",\"2001:db8::7\""),
            std::string::npos)
      << link.error().message;
}

// What is proposed is taken at its word.
TEST_F(CredentialsTest, ARouterAccessThatIsImpliedIsWrittenDownForAHost) {
  root_.write("namespaces/default/input/resources/site.yaml",
              "kind: Site\nmetadata: {name: fra}\nspec: {linkAccess: default}\n");
  const auto generate = [&] {
    const auto site = load_namespace(paths_);
    EXPECT_EQ(errors_of(site->diagnostics), std::vector<std::string>{});
    return generate_link(site->resources, store_, {.host = "gw.example"});
  };
  const auto refused = generate();
  ASSERT_FALSE(refused);
  const std::string& message = refused.error().message;
  EXPECT_NE(message.find("write down RouterAccess fra, which linkAccess of Site fra implies"), std::string::npos)
      << message;
  const std::string proposed = message.substr(message.find('\n') + 1);
  EXPECT_TRUE(proposed.starts_with("apiVersion: ")) << proposed;
  for (const char* part : {"name: fra", "inter-router", "55671", "edge", "45671", "localhost"})
    EXPECT_NE(proposed.find(part), std::string::npos) << part;
  root_.write("namespaces/default/input/resources/access.yaml", proposed);
  const auto link = generate();
  ASSERT_TRUE(link) << link.error().message;
  EXPECT_NE(link->find("host: gw.example"), std::string::npos) << *link;
}

TEST_F(CredentialsTest, ASiteThatAcceptsNoLinksSaysSo) {
  resources_.router_accesses.clear();
  const auto link = generate_link(resources_, store_, {});
  ASSERT_FALSE(link);
  EXPECT_NE(link.error().message.find("set spec.linkAccess to default"), std::string::npos) << link.error().message;
}

TEST_F(CredentialsTest, ALinkOfACaThatIsNotHereCannotBeGenerated) {
  const auto ca = make_ca({.common_name = "corporate"});
  const auto own = make_certificate(*ca, {.common_name = "own", .hosts = {"own.example"}});
  ASSERT_TRUE(ca && own);
  root_.write("namespaces/default/input/certs/in/ca.crt", own->ca);
  root_.write("namespaces/default/input/certs/in/tls.crt", own->cert);
  root_.write("namespaces/default/input/certs/in/tls.key", own->key);
  const auto refused = generate_link(resources_, store_, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCredentials);
  root_.write("namespaces/default/input/issuers/skupper-site-ca/tls.crt", ca->cert);
  root_.write("namespaces/default/input/issuers/skupper-site-ca/tls.key", ca->key);
  const auto link = generate_link(resources_, store_, {});
  ASSERT_TRUE(link) << link.error().message;
  EXPECT_NE(link->find("own.example"), std::string::npos);
}

}  // namespace
}  // namespace fairlead
