// Access grants and tokens without a network: who may redeem what and how often, what is remembered over a restart, what
// each refusal says, and what is made of an answer.

#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "router/site/attempt_limits.h"
#include "router/site/base64.h"
#include "router/site/grant_book.h"
#include "router/site/grant_desk.h"
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
constexpr Instant kInstant{1'000'000'000'000};
const char kAddress[] = "192.0.2.7";

AccessGrant grant(const std::string& name, std::uint32_t allowed = 1, std::string code = {}) {
  AccessGrant grant;
  grant.metadata.name = name;
  grant.redemptions_allowed = allowed;
  grant.code = std::move(code);
  return grant;
}

// ---- how often somebody may be wrong

TEST(AttemptLimitsTest, AllowsSoManyFailuresAndThenOneForEachShareOfTheWindow) {
  AttemptLimits limits(10, Duration::seconds(60), 100);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(limits.allowed("a", kInstant)) << i;
    limits.note_failure("a", kInstant);
  }
  EXPECT_FALSE(limits.allowed("a", kInstant));
  EXPECT_TRUE(limits.allowed("b", kInstant)) << "each for itself";
  EXPECT_EQ(limits.wait("a", kInstant).milliseconds(), 6000);
  EXPECT_FALSE(limits.allowed("a", kInstant + Duration::milliseconds(5999)));
  EXPECT_TRUE(limits.allowed("a", kInstant + Duration::seconds(6)));
  limits.note_failure("a", kInstant + Duration::seconds(6));
  EXPECT_FALSE(limits.allowed("a", kInstant + Duration::seconds(6)));
  EXPECT_TRUE(limits.allowed("a", kInstant + Duration::seconds(3600)));
}

TEST(AttemptLimitsTest, RemembersABoundedNumber) {
  AttemptLimits limits(1, Duration::seconds(60), 3);
  for (int i = 0; i < 3; ++i)
    limits.note_failure(std::to_string(i), kInstant + Duration::milliseconds(i));
  limits.note_failure("new", kInstant + Duration::seconds(1));
  EXPECT_TRUE(limits.allowed("0", kInstant + Duration::seconds(1))) << "the oldest made room";
  EXPECT_FALSE(limits.allowed("1", kInstant + Duration::seconds(1)));
  EXPECT_FALSE(limits.allowed("new", kInstant + Duration::seconds(1)));
}

// ---- the book

class GrantBookTest : public testing::Test {
 protected:
  std::filesystem::path directory() const { return root_.path() / "grants"; }

  TemporaryDirectory root_;
  GrantBook book_{directory()};
};

TEST_F(GrantBookTest, GivesEachGrantAnIdAndACodeThatStay) {
  book_.set_grants({grant("one"), grant("two")}, kNow);
  const Grant one = book_.grants().at("one");
  const Grant two = book_.grants().at("two");
  EXPECT_NE(one.uid, two.uid);
  EXPECT_NE(one.code, two.code);
  EXPECT_EQ(one.code.size(), 32U);
  EXPECT_EQ(one.expires_unix_s, kNow + 900) << "15 minutes if nothing is said";

  book_.set_grants({grant("one"), grant("two")}, kNow + 100);
  EXPECT_EQ(book_.grants().at("one").uid, one.uid);
  GrantBook after(directory());
  after.set_grants({grant("one"), grant("two")}, kNow + 200);
  EXPECT_EQ(after.grants().at("one").uid, one.uid);
  EXPECT_EQ(after.grants().at("one").code, one.code);
  EXPECT_EQ(after.grants().at("one").expires_unix_s, one.expires_unix_s) << "a restart is no new beginning";
}

TEST_F(GrantBookTest, FilesAreForTheirOwnerOnly) {
  book_.set_grants({grant("one")}, kNow);
  struct stat status{};
  ASSERT_EQ(stat((directory() / "one.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  ASSERT_EQ(stat(directory().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

TEST_F(GrantBookTest, WhatIsGoneIsForgotten) {
  book_.set_grants({grant("one"), grant("two")}, kNow);
  const Grant one = book_.grants().at("one");
  book_.set_grants({grant("two")}, kNow);
  EXPECT_EQ(book_.find(one.uid, one.code, kInstant).error(), GrantBook::Refusal::kUnknown);
  EXPECT_FALSE(std::filesystem::exists(directory() / "one.json"));
  EXPECT_TRUE(std::filesystem::exists(directory() / "two.json"));
  book_.set_grants({grant("one")}, kNow);
  EXPECT_NE(book_.grants().at("one").uid, one.uid) << "the same name is a new grant";
}

TEST_F(GrantBookTest, RedemptionsAreCountedOverRestarts) {
  book_.set_grants({grant("one", 2)}, kNow);
  const Grant& one = book_.grants().at("one");
  ASSERT_TRUE(book_.spend(one, {kNow, "west", kAddress, ""}));
  EXPECT_EQ(book_.why_not_open(one, "", kNow), std::nullopt);
  GrantBook after(directory());
  after.set_grants({grant("one", 2)}, kNow);
  const Grant& again = after.grants().at("one");
  ASSERT_EQ(again.redemptions.size(), 1U);
  EXPECT_EQ(again.redemptions[0].subject, "west");
  ASSERT_TRUE(after.spend(again, {kNow, "north", kAddress, ""}));
  EXPECT_EQ(after.why_not_open(again, "", kNow), GrantBook::Refusal::kUsedUp);
  after.set_grants({grant("one", 3)}, kNow);
  EXPECT_EQ(after.why_not_open(again, "", kNow), std::nullopt) << "more may be allowed later";
}

TEST_F(GrantBookTest, TheSameKeyIsNotCountedTwice) {
  book_.set_grants({grant("one")}, kNow);
  const Grant& one = book_.grants().at("one");
  ASSERT_TRUE(book_.spend(one, {kNow, "west", kAddress, "a key"}));
  ASSERT_TRUE(book_.spend(one, {kNow, "west", kAddress, "a key"}));
  EXPECT_EQ(one.redemptions.size(), 1U);
  EXPECT_EQ(book_.why_not_open(one, "a key", kNow + 10'000), std::nullopt) << "its answer may have been lost";
  EXPECT_EQ(book_.why_not_open(one, "another", kNow), GrantBook::Refusal::kUsedUp);
}

TEST_F(GrantBookTest, TimeGoesByTheClockWhicheverWayThatIsSet) {
  AccessGrant resource = grant("one");
  resource.expiration_window = Duration::seconds(60);
  book_.set_grants({resource}, kNow);
  const Grant& one = book_.grants().at("one");
  EXPECT_EQ(book_.why_not_open(one, "", kNow + 59), std::nullopt);
  EXPECT_EQ(book_.why_not_open(one, "", kNow + 60), GrantBook::Refusal::kExpired);
  EXPECT_EQ(book_.why_not_open(one, "", kNow - 3600), std::nullopt) << "a clock that was set back";
  EXPECT_FALSE(book_.any_open(kNow + 60));
  resource.expiration_window = Duration::seconds(120);
  book_.set_grants({resource}, kNow + 61);
  EXPECT_TRUE(book_.any_open(kNow + 61)) << "a longer window counts from the same beginning";
  EXPECT_FALSE(book_.any_open(kNow + 120));
}

TEST_F(GrantBookTest, AWrongCodeIsAllowedOnlySoOften) {
  book_.set_grants({grant("one")}, kNow);
  const Grant one = book_.grants().at("one");
  EXPECT_EQ(book_.find(one.uid, one.code + "x", kInstant).error(), GrantBook::Refusal::kCode);
  EXPECT_EQ(book_.find(one.uid, one.code.substr(1), kInstant).error(), GrantBook::Refusal::kCode);
  EXPECT_EQ(book_.find(one.uid, "", kInstant).error(), GrantBook::Refusal::kCode);
  EXPECT_TRUE(book_.find(one.uid, one.code, kInstant));
  for (int i = 0; i < 27; ++i)
    EXPECT_EQ(book_.find(one.uid, "wrong", kInstant).error(), GrantBook::Refusal::kCode);
  EXPECT_EQ(book_.find(one.uid, one.code, kInstant).error(), GrantBook::Refusal::kTooManyAttempts);
  EXPECT_TRUE(book_.find(one.uid, one.code, kInstant + Duration::seconds(2)));
}

TEST_F(GrantBookTest, ACodeOfTheUsersOwnIsUsed) {
  book_.set_grants({grant("one", 1, "correct-horse-battery")}, kNow);
  EXPECT_EQ(book_.grants().at("one").code, "correct-horse-battery");
}

TEST_F(GrantBookTest, ARecordThatCannotBeReadIsNotTakenForANewGrant) {
  root_.write("grants/one.json", "{\"uid\": 7}");
  book_.set_grants({grant("one")}, kNow);
  EXPECT_NE(book_.grants().at("one").error.find("grants/one.json"), std::string::npos) << book_.grants().at("one").error;
  EXPECT_TRUE(book_.any_failed());
  EXPECT_FALSE(book_.any_open(kNow));
  root_.write("grants/one.json", R"({"uid": "x", "code": "", "created": 1, "redemptions": []})");
  book_.set_grants({grant("one")}, kNow);
  EXPECT_TRUE(book_.any_failed());
  std::filesystem::remove(directory() / "one.json");
  book_.set_grants({grant("one")}, kNow);
  EXPECT_TRUE(book_.any_open(kNow)) << "what failed is tried again";
}

// ---- the desk

class GrantDeskTest : public testing::Test {
 protected:
  GrantDeskTest() { book_.set_grants({grant("one", 2)}, kNow); }

  const Grant& one() const { return book_.grants().at("one"); }

  HttpRequest request() const {
    HttpRequest request;
    request.method = "POST";
    request.target = "/" + one().uid;
    request.headers = {{"Name", "to-east"}, {"Subject", "west"}, {"Host", "gw.example:9090"}};
    request.body = one().code;
    return request;
  }

  HttpResponse ask(const HttpRequest& request, const std::string& from = kAddress, Instant now = kInstant) {
    return desk_.answer(request, from, now_unix_s_, now);
  }

  void expect_refused(const HttpRequest& request, unsigned status, const std::string& word) {
    const std::size_t before = one().redemptions.size();
    const HttpResponse response = ask(request);
    EXPECT_EQ(response.status, status);
    EXPECT_NE(response.body.find(word), std::string::npos) << response.body;
    EXPECT_EQ(one().redemptions.size(), before) << "a refusal spends nothing";
  }

  TemporaryDirectory root_;
  GrantBook book_{root_.path() / "grants"};
  std::vector<RedemptionRequest> issued_;
  Result<std::string> answer_ = "documents";
  std::int64_t now_unix_s_ = kNow;
  GrantDesk desk_{book_, [this](RedemptionRequest request) {
                    issued_.push_back(std::move(request));
                    return answer_;
                  }};
};

TEST_F(GrantDeskTest, TheRightCodeIsAnsweredWithWhatWasIssued) {
  const HttpResponse response = ask(request());
  EXPECT_EQ(response.status, 200U);
  EXPECT_EQ(response.body, "documents");
  ASSERT_EQ(issued_.size(), 1U);
  EXPECT_EQ(issued_[0].name, "to-east");
  EXPECT_EQ(issued_[0].subject, "west");
  EXPECT_EQ(issued_[0].host, "gw.example");
  EXPECT_TRUE(issued_[0].public_key.empty());
  EXPECT_EQ(one().redemptions.at(0).subject, "west");
  EXPECT_EQ(one().redemptions.at(0).from, kAddress);
}

TEST_F(GrantDeskTest, EachRefusalHasItsStatusAndItsReason) {
  HttpRequest get = request();
  get.method = "GET";
  expect_refused(get, 405, "POST");
  HttpRequest unknown = request();
  unknown.target = "/15c4953c-fe3f-4366-b079-eba8c9c7bf09";
  expect_refused(unknown, 404, "no such grant");
  HttpRequest wrong = request();
  wrong.body += "\n";
  expect_refused(wrong, 403, "does not match");
  HttpRequest nameless = request();
  nameless.headers.erase(nameless.headers.begin());
  expect_refused(nameless, 400, "name");
  HttpRequest bad_name = request();
  bad_name.headers[0].second = "../../etc";
  expect_refused(bad_name, 400, "name");
  HttpRequest bad_subject = request();
  bad_subject.headers[1].second = "west\x01";
  expect_refused(bad_subject, 400, "subject");
  HttpRequest no_base64 = request();
  no_base64.headers.emplace_back("certificate-request", "###");
  expect_refused(no_base64, 400, "base64");
  HttpRequest no_request = request();
  no_request.headers.emplace_back("certificate-request", encode_base64("not DER"));
  expect_refused(no_request, 400, "certificate request");
  now_unix_s_ = one().expires_unix_s;
  expect_refused(request(), 404, "expired");
  EXPECT_TRUE(issued_.empty());
}

TEST_F(GrantDeskTest, WhoDoesNotKnowTheCodeLearnsNothingAboutTheGrant) {
  now_unix_s_ = one().expires_unix_s + 1;
  HttpRequest wrong = request();
  wrong.body = "wrong";
  wrong.headers.clear();
  EXPECT_EQ(ask(wrong).status, 403U);
}

TEST_F(GrantDeskTest, ExactlyAsManyAsAreAllowed) {
  EXPECT_EQ(ask(request()).status, 200U);
  EXPECT_EQ(ask(request()).status, 200U);
  expect_refused(request(), 404, "used up");
}

TEST_F(GrantDeskTest, WhatCouldNotBeMadeIsNotSpent) {
  answer_ = fail(ErrorCode::kCredentials, "the CA's key is gone");
  const HttpResponse response = ask(request());
  EXPECT_EQ(response.status, 500U);
  EXPECT_EQ(response.body.find("key"), std::string::npos) << "strangers are not told what is wrong here";
  EXPECT_TRUE(one().redemptions.empty());
  answer_ = "documents";
  EXPECT_EQ(ask(request()).status, 200U);
}

TEST_F(GrantDeskTest, WhatCouldNotBeStoredIsNotAnswered) {
  std::filesystem::remove_all(root_.path() / "grants");
  root_.write("grants", "a file where the folder was");
  const HttpResponse response = ask(request());
  EXPECT_EQ(response.status, 503U);
  EXPECT_EQ(response.body.find("documents"), std::string::npos);
  EXPECT_TRUE(one().redemptions.empty());
  std::filesystem::remove(root_.path() / "grants");
  EXPECT_EQ(ask(request()).status, 200U);
}

TEST_F(GrantDeskTest, AKeyOfTheRedeemersOwnIsCertifiedAndMayAskAgain) {
  const std::string key = make_key().value();
  HttpRequest with_key = request();
  with_key.headers.emplace_back("Certificate-Request", encode_base64(make_signing_request(key, "west").value()));
  EXPECT_EQ(ask(with_key).status, 200U);
  ASSERT_EQ(issued_.size(), 1U);
  EXPECT_FALSE(issued_[0].public_key.empty());
  // Signed anew, and so other bytes; the key counts.
  with_key.headers.back().second = encode_base64(make_signing_request(key, "west").value());
  EXPECT_EQ(ask(with_key).status, 200U);
  EXPECT_EQ(one().redemptions.size(), 1U);
  EXPECT_EQ(ask(request()).status, 200U);
  EXPECT_EQ(ask(request()).status, 404U);
  now_unix_s_ = one().expires_unix_s + 1;
  EXPECT_EQ(ask(with_key).status, 200U) << "also when all is used up and over";
}

TEST_F(GrantDeskTest, AnAddressMayBeWrongOnlySoOften) {
  HttpRequest wrong = request();
  wrong.target = "/nothing";
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(ask(wrong, "2001:db8::" + std::to_string(i)).status, 404U);
  const HttpResponse limited = ask(request(), "2001:db8::99");
  EXPECT_EQ(limited.status, 429U) << "one network of IPv6 counts as one";
  EXPECT_EQ(limited.headers.at(0).first, "Retry-After");
  EXPECT_EQ(ask(request(), "2001:db8:1::1").status, 200U);
  EXPECT_EQ(ask(request(), "2001:db8::99", kInstant + Duration::seconds(60)).status, 200U);
}

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
       {"", "http://gw/x", "gw:9090/x", "https://", "https:///x", "https://gw:0/x", "https://gw:70000/x", "https://gw:/x",
        "https://u@gw/x", "https://gw/a b", "https://gw/a\r\nHost: b", "https://gw/a#b", "https://[::1/x",
        "https://[gw]/x", "https://GW/x", "HTTPS://gw/x"}) {
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
  struct stat status{};
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
