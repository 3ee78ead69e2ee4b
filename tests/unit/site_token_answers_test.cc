// Access tokens at the site that redeems them: their URL, what is made of an answer, and what is kept of it.

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "router/site/base64.h"
#include "router/site/resource_reader.h"
#include "router/site/site_loader.h"
#include "router/site/token_answer.h"
#include "router/site/token_store.h"
#include "router/site/token_url.h"
#include "tests/unit/site_fixtures.h"
#include "transport/tls/certificates.h"

namespace fairlead {
namespace {

constexpr std::int64_t kNow = 1'800'000'000;

// ---- the URL

TEST(TokenUrlTest, TakesWhatTokensHave) {
  const auto url = parse_token_url("https://gw1.fra.example:9090/1f0c2f4e-5c0b-4f7c-8a1e-7d2f1f5f0001");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->endpoint, (HostPort{"gw1.fra.example", 9090}));
  EXPECT_EQ(url->target, "/1f0c2f4e-5c0b-4f7c-8a1e-7d2f1f5f0001");
  EXPECT_EQ(parse_token_url("https://[2001:db8::1]:1/x")->endpoint, (HostPort{"2001:db8::1", 1}));
  EXPECT_EQ(parse_token_url("https://10.0.0.1/a")->endpoint.port, 443);
  EXPECT_EQ(parse_token_url("https://gw.example")->target, "/");
  for (const char* text : {"https://gw1.fra.example:9090/x", "https://[2001:db8::1]:1/x"})
    EXPECT_EQ(to_string(*parse_token_url(text)), text);
}

TEST(TokenUrlTest, RefusesAllElse) {
  for (const char* text :
       {"", "http://gw/x", "gw:9090/x", "https://", "https:///x", "https://gw:0/x", "https://gw:70000/x",
        "https://gw:/x", "https://u@gw/x", "https://gw/a b", "https://gw/a\r\nHost: b", "https://gw/a#b",
        "https://[::1/x", "https://[gw]/x", "https://GW/x", "HTTPS://gw/x"}) {
    const auto url = parse_token_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, ErrorCode::kInvalid);
  }
}

// ---- answers

class TokenAnswerTest : public testing::Test {
 protected:
  static std::string indented(const std::string& key, const std::string& text) {
    return "  " + key + ": " + encode_base64(text) + "\n";
  }

  // As Skupper's controller writes them.
  std::string secret(bool with_key = true) const {
    return "---\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata:\n  creationTimestamp: null\n"
           "  name: x\ndata:\n" +
           indented("ca.crt", bundle_.ca) + indented("tls.crt", bundle_.cert) +
           (with_key ? indented("tls.key", bundle_.key) : "");
  }

  static std::string link(const std::string& name, const std::string& group, const std::string& role = "inter-router") {
    return "---\napiVersion: skupper.io/v2alpha1\nkind: Link\nmetadata:\n  creationTimestamp: null\n  name: " + name +
           "\nspec:\n  endpoints:\n  - group: " + group + "\n    host: 10.0.0.2\n    name: " + role +
           "\n    port: \"55671\"\n  tlsCredentials: x\nstatus: {}\n";
  }

  Resources read(const std::string& text, std::string key = {}, std::string role = {}) {
    made_ = make_link_resources({"west", "https://gw", text, std::move(key), 7, std::move(role)});
    Resources resources;
    if (!made_) return resources;
    Diagnostics diagnostics;
    read_resources(*made_, "made", resources, diagnostics);
    EXPECT_FALSE(diagnostics.has_errors()) << *made_;
    return resources;
  }

  PemBundle bundle_ = make_certificate(make_ca({.common_name = "their CA"}).value(), {.common_name = "west"}).value();
  Result<std::string> made_;
};

TEST_F(TokenAnswerTest, SkuppersAnswerBecomesALinkOfTheTokensName) {
  const Resources made = read(secret() + link("x", "skupper-router"));
  ASSERT_TRUE(made_) << made_.error().message;
  ASSERT_EQ(made.links.size(), 1U);
  EXPECT_EQ(made.links[0].metadata.name, "west");
  EXPECT_EQ(made.links[0].tls_credentials, "west");
  EXPECT_EQ(made.links[0].cost, 7U);
  EXPECT_EQ(made.links[0].endpoints.at(0).group, "skupper-router");
  ASSERT_EQ(made.secrets.size(), 1U);
  EXPECT_EQ(made.secrets[0].metadata.name, "west");
  EXPECT_EQ(made.secrets[0].data.at("tls.key"), bundle_.key);
}

TEST_F(TokenAnswerTest, ALinkForEachRouterOfTheOtherSite) {
  const Resources made = read(secret() + link("x-1", "skupper-router") + link("x-2", "skupper-router-2"));
  ASSERT_TRUE(made_) << made_.error().message;
  ASSERT_EQ(made.links.size(), 2U);
  EXPECT_EQ(made.links[0].metadata.name, "west-1");
  EXPECT_EQ(made.links[1].metadata.name, "west-2");
  EXPECT_EQ(made.links[1].tls_credentials, "west");
}

TEST_F(TokenAnswerTest, OurKeyIsUsedWhereTheAnswerHasNone) {
  const Resources made = read(secret(false) + link("x", "a"), bundle_.key);
  ASSERT_TRUE(made_) << made_.error().message;
  EXPECT_EQ(made.secrets[0].data.at("tls.key"), bundle_.key);
  static_cast<void>(read(secret(false) + link("x", "a"), make_key().value()));
  ASSERT_FALSE(made_);
  EXPECT_NE(made_.error().message.find("does not belong"), std::string::npos) << made_.error().message;
}

TEST_F(TokenAnswerTest, OnlyLinksThatThisSiteCanUse) {
  const Resources made = read(secret() + link("x-1", "a") + link("x-2", "b", "edge"), {}, "edge");
  ASSERT_TRUE(made_) << made_.error().message;
  ASSERT_EQ(made.links.size(), 1U);
  EXPECT_EQ(made.links[0].endpoints[0].role, "edge");
  static_cast<void>(read(secret() + link("x", "a"), {}, "edge"));
  ASSERT_FALSE(made_);
  EXPECT_NE(made_.error().message.find("role edge"), std::string::npos) << made_.error().message;
}

TEST_F(TokenAnswerTest, WhatMakesNoLinkIsRefused) {
  for (const std::string& text : std::vector<std::string>{
           std::string(), std::string("<html>"), secret(), link("x", "a"), secret() + secret() + link("x", "a"),
           secret() + "---\nkind: Link\nmetadata: {name: x}\n", "---\nkind: Site\nmetadata: {name: x}\n",
           "---\nkind: Secret\nmetadata: {name: x}\ndata: {ca.crt: AAAA}\n" + link("x", "a")}) {
    static_cast<void>(read(text));
    ASSERT_FALSE(made_) << text;
    EXPECT_NE(made_.error().message.find("https://gw"), std::string::npos) << made_.error().message;
  }
}

// ---- tokens that were redeemed

class TokenStoreTest : public TokenAnswerTest {
 protected:
  AccessToken token(const std::string& url = "https://gw/1") const {
    AccessToken token;
    token.metadata.name = "west";
    token.url = url;
    token.link_cost = 9;
    return token;
  }

  TemporaryDirectory root_;
  NamespacePaths paths_{root_.path(), "default"};
  TokenStore store_{paths_.runtime_tokens()};
};

TEST_F(TokenStoreTest, TheKeyStaysTheSameUntilTheTokenIsAnother) {
  const std::string key = store_.prepare(token()).value().key;
  EXPECT_EQ(store_.prepare(token()).value().key, key);
  EXPECT_NE(store_.prepare(token("https://gw/2")).value().key, key);

  struct stat status {};

  ASSERT_EQ(stat(store_.file_of("west").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(TokenStoreTest, ARedeemedTokenIsALinkAtTheCostThatItSays) {
  const std::string input =
      "kind: Site\nmetadata: {name: west}\n---\nkind: AccessToken\nmetadata: {name: west}\nspec:\n  url: https://gw/1\n"
      "  code: correct-horse-battery\n  linkCost: 9\n  ca: |\n    -----BEGIN CERTIFICATE-----\n    AAAA\n"
      "    -----END CERTIFICATE-----\n";
  root_.write("namespaces/default/input/resources/site.yaml", input);
  EXPECT_TRUE(load_namespace(paths_)->resources.links.empty());
  const std::string text =
      make_link_resources({"west", "https://gw", secret() + link("x", "a"), {}, 1, "inter-router"}).value();
  ASSERT_TRUE(store_.write("west", {"https://gw/1", bundle_.key, kNow, text}));
  const auto site = load_namespace(paths_);
  EXPECT_FALSE(site->diagnostics.has_errors()) << errors_of(site->diagnostics).front();
  ASSERT_EQ(site->resources.links.size(), 1U);
  EXPECT_EQ(site->resources.links[0].cost, 9U);
  EXPECT_EQ(site->resources.links[0].of_token, "west");

  ASSERT_TRUE(store_.write("west", {"https://gw/2", bundle_.key, kNow, text}));
  EXPECT_TRUE(load_namespace(paths_)->resources.links.empty()) << "that was another token";

  // The site has become an edge site since: a warning, and all else is in use.
  ASSERT_TRUE(store_.write("west", {"https://gw/1", bundle_.key, kNow, text}));
  root_.write("namespaces/default/input/resources/site.yaml",
              "kind: Site\nmetadata: {name: west}\nspec: {edge: true}\n" + input.substr(input.find("---")));
  const auto edge = load_namespace(paths_);
  EXPECT_FALSE(edge->diagnostics.has_errors());
  EXPECT_TRUE(edge->resources.links.empty());
  EXPECT_NE(warnings_of(edge->diagnostics).back().find("role edge"), std::string::npos);
}

}  // namespace
}  // namespace fairlead
