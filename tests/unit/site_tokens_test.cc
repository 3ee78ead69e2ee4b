// Access grants and tokens without a network: who may redeem what and how often, what is remembered over a restart,
// what each refusal says.

#include <algorithm>
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
#include "router/site/validate.h"
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

  struct stat status {};

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
  EXPECT_TRUE(book_.any_answers(kNow + 60 + 86'399)) << "who comes too late is told";
  EXPECT_FALSE(book_.any_answers(kNow + 60 + 86'400));
  resource.expiration_window = Duration::seconds(120);
  book_.set_grants({resource}, kNow + 61);
  EXPECT_EQ(book_.why_not_open(one, "", kNow + 61), std::nullopt) << "a longer window counts from the same beginning";
  EXPECT_EQ(book_.why_not_open(one, "", kNow + 120), GrantBook::Refusal::kExpired);
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
  EXPECT_NE(book_.grants().at("one").error.find("grants/one.json"), std::string::npos)
      << book_.grants().at("one").error;
  EXPECT_TRUE(book_.any_failed());
  EXPECT_FALSE(book_.any_answers(kNow));
  root_.write("grants/one.json", R"({"uid": "x", "code": "", "created": 1, "redemptions": []})");
  book_.set_grants({grant("one")}, kNow);
  EXPECT_TRUE(book_.any_failed());
  std::filesystem::remove(directory() / "one.json");
  book_.set_grants({grant("one")}, kNow);
  EXPECT_TRUE(book_.any_answers(kNow)) << "what failed is tried again";
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

// ---- as resources

class GrantsAsResources : public testing::Test {
 protected:
  void read(const std::string& text) { read_resources(text, "f", resources_, diagnostics_); }

  // Of the whole site.
  void validate_all(const std::string& site) {
    read(site);
    TemporaryDirectory nothing;
    add_implied_router_access(resources_);
    validate(resources_, CredentialSource(resources_, nothing.path(), nothing.path()), {}, diagnostics_);
  }

  void expect_error(const std::string& beginning) {
    const auto errors = errors_of(diagnostics_);
    EXPECT_TRUE(std::ranges::any_of(errors, [&](const auto& error) { return error.starts_with(beginning); }))
        << beginning << "\n"
        << (errors.empty() ? std::string("no error") : errors.front());
  }

  Resources resources_;
  Diagnostics diagnostics_;
};

TEST_F(GrantsAsResources, AreReadAsSkupperWritesThem) {
  read(
      "apiVersion: skupper.io/v2alpha1\nkind: AccessGrant\nmetadata: {name: for-ams}\n"
      "spec: {redemptionsAllowed: 2, expirationWindow: 15m0s, settings: {}}\n---\n"
      "kind: AccessGrant\nmetadata: {name: plain}\n---\n"
      "kind: AccessGrant\nmetadata: {name: none}\nspec: {redemptionsAllowed: 0, code: k3Jt9sQwZx0pLm4n, issuer: "
      "our-ca}\n");
  ASSERT_FALSE(diagnostics_.has_errors()) << errors_of(diagnostics_).front();
  ASSERT_EQ(resources_.access_grants.size(), 3U);
  EXPECT_EQ(resources_.access_grants[0].redemptions_allowed, 2U);
  EXPECT_EQ(resources_.access_grants[0].expiration_window, Duration::seconds(900));
  EXPECT_EQ(resources_.access_grants[1].redemptions_allowed, 1U);
  EXPECT_EQ(resources_.access_grants[1].expiration_window, Duration::seconds(900));
  EXPECT_EQ(resources_.access_grants[2].redemptions_allowed, 1U) << "as Skupper takes it";
  EXPECT_EQ(resources_.access_grants[2].code, "k3Jt9sQwZx0pLm4n");
  EXPECT_EQ(resources_.access_grants[2].issuer, "our-ca");
}

TEST_F(GrantsAsResources, WhatIsWrongIsSaidWithoutTheCode) {
  read(
      "kind: AccessGrant\nmetadata: {name: one}\nspec:\n  redemptionsAllowed: -1\n  expirationWindow: 15\n"
      "  code: short\n  issuer: ../x\n  redemptions: 1\n---\n"
      "kind: AccessToken\nmetadata: {name: two}\nspec:\n  url: http://gw/x\n  code: with space\n  linkCost: 0\n"
      "  ca: none\n---\n"
      "kind: AccessToken\nmetadata: {name: three}\n");
  expect_error("4:23: AccessGrant one: spec.redemptionsAllowed");
  expect_error("5:21: AccessGrant one: spec.expirationWindow");
  expect_error("6:9: AccessGrant one: spec.code: is no code");
  expect_error("7:11: AccessGrant one: spec.issuer");
  expect_error("8:3: AccessGrant one: unknown field 'redemptions' in spec");
  expect_error("13:8: AccessToken two: spec.url: found 'http://gw/x'; needed is https://");
  expect_error("14:9: AccessToken two: spec.code: is no code");
  expect_error("15:13: AccessToken two: spec.linkCost");
  expect_error("16:7: AccessToken two: spec.ca: holds no certificate");
  expect_error("18:1: AccessToken three: spec.url: is missing");
  expect_error("18:1: AccessToken three: spec.code: is missing");
  expect_error("18:1: AccessToken three: spec.ca: is missing");
  for (const std::string& error : errors_of(diagnostics_)) {
    EXPECT_EQ(error.find("short"), std::string::npos) << error;
    EXPECT_EQ(error.find("with space"), std::string::npos) << error;
  }
}

TEST_F(GrantsAsResources, ASiteThatNobodyCanDialGrantsNothing) {
  validate_all("kind: Site\nmetadata: {name: west}\n---\nkind: AccessGrant\nmetadata: {name: one}\n");
  expect_error("4:1: AccessGrant one: Site west accepts no links; set spec.linkAccess");
}

TEST_F(GrantsAsResources, NorDoesAnEdgeSite) {
  validate_all(
      "kind: Site\nmetadata: {name: west}\nspec: {edge: true}\n---\nkind: AccessGrant\nmetadata: {name: one}\n");
  expect_error("5:1: AccessGrant one: Site west accepts no links, because it is an edge site");
}

TEST_F(GrantsAsResources, ThePortOfGrantsIsClaimedWhereThereAreAny) {
  const std::string site =
      "kind: Site\nmetadata: {name: west}\nspec: {linkAccess: default, grantServer: {port: 7001, host: "
      "gw.example}}\n---\n"
      "kind: Listener\nmetadata: {name: a}\nspec: {routingKey: a, host: 127.0.0.1, port: 7001}\n";
  validate_all(site);
  EXPECT_FALSE(diagnostics_.has_errors()) << errors_of(diagnostics_).front();
  EXPECT_EQ(resources_.site()->grant_server.host, "gw.example");
  resources_ = {};
  validate_all(site + "---\nkind: AccessGrant\nmetadata: {name: one}\nspec: {code: k3Jt9sQw}\n");
  expect_error("7:46: Listener a: spec.port: port 7001 on 127.0.0.1 is already taken by Site west");
  EXPECT_NE(warnings_of(diagnostics_).front().find("less than 16 characters"), std::string::npos);
}

TEST_F(GrantsAsResources, ATokenAndALinkOfOneNameDoNotGoTogether) {
  validate_all(
      "kind: Site\nmetadata: {name: west}\n---\nkind: AccessToken\nmetadata: {name: east}\nspec:\n"
      "  url: https://gw/x\n  code: k3Jt9sQwZx0pLm4n\n  ca: |\n    -----BEGIN CERTIFICATE-----\n    AA==\n"
      "    -----END CERTIFICATE-----\n---\n"
      "kind: Link\nmetadata: {name: east}\nspec: {tlsSecret: x, interRouter: {host: gw, port: 1}}\n");
  expect_error("5:18: AccessToken east: metadata.name: the link that it is redeemed for gets the token's name");
}

}  // namespace
}  // namespace fairlead
