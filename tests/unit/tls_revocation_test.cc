// ca.crl: lists made with openssl are read, believed if a CA of the bundle signed them, and honoured; peers are judged
// again by a bundle that changed.
#include "transport/tls/revocation.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/unit/tls_fixtures.h"
#include "tests/unit/tls_process.h"
#include "transport/tls/pem.h"

namespace fairlead {
namespace {

class Revocation : public testing::Test {
 protected:
  void SetUp() override {
    SKIP_WITHOUT_OPENSSL();
    dir_.write("index", "");
    dir_.write("ca.conf",
               "[ca]\ndefault_ca=it\n[it]\ndatabase=" + dir_.path("index") +
                   "\ndefault_md=sha256\nunique_subject=no\n");
    use(TestPki::get().ca);
  }

  void use(const CertificateAuthority& authority) {
    dir_.write("ca.crt", authority.cert);
    dir_.write("ca.key", authority.key);
  }

  void revoke(const PemBundle& bundle) {
    dir_.write("revoked.crt", bundle.cert);
    openssl({"-revoke", dir_.path("revoked.crt")});
  }

  std::string list(const std::string& seconds_valid = "3600") {
    openssl({"-gencrl", "-crlsec", seconds_valid, "-out", dir_.path("ca.crl")});
    return dir_.read("ca.crl");
  }

  void openssl(std::vector<std::string> more) {
    std::vector<std::string> command = {"openssl", "ca", "-batch", "-config", dir_.path("ca.conf"), "-cert",
                                        dir_.path("ca.crt"), "-keyfile", dir_.path("ca.key")};
    command.insert(command.end(), more.begin(), more.end());
    const Outcome done = run(command);
    ASSERT_EQ(done.status, 0) << done.output;
  }

  static PemBundle with(PemBundle bundle, const std::string& crl) {
    bundle.crl = crl;
    return bundle;
  }

  static std::vector<Der> chain_of(const PemBundle& bundle) {
    std::vector<Der> chain;
    for (const std::string_view block : pem_blocks(bundle.cert, "CERTIFICATE"))
      chain.push_back(certificate_der(block).value());
    return chain;
  }

  static std::string why_not(const PemBundle& bundle) {
    const auto loaded = Credentials::load(bundle);
    return loaded ? "" : loaded.error().message;
  }

  TempDir dir_;
};

TEST_F(Revocation, OnlyWhatIsOnTheListIsRefused) {
  const TestPki& pki = TestPki::get();
  const PemBundle other = pki.issue({.common_name = "other", .hosts = {"other"}});
  EXPECT_TRUE(load(with(pki.server, list()))->peer_judge().judge(chain_of(pki.client)));
  revoke(other);
  const auto credentials = load(with(pki.server, list()));
  EXPECT_TRUE(credentials->peer_judge().has_lists());
  EXPECT_TRUE(credentials->peer_judge().judge(chain_of(pki.client)));
  EXPECT_TRUE(credentials->peer_judge().judge({})) << "nobody to judge";
  const auto refused = credentials->peer_judge().judge(chain_of(other));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTlsRevoked);
  EXPECT_EQ(refused.error().message, "certificate 'other' is revoked by ca.crl");
}

TEST_F(Revocation, ListsOfEveryKindOfKeyAreRead) {
  for (const KeyKind kind : {KeyKind::kP256, KeyKind::kEd25519}) {
    const auto authority = make_ca({.common_name = "kind", .kind = kind});
    ASSERT_TRUE(authority) << authority.error().message;
    use(*authority);
    const auto bundle = make_certificate(*authority, {.common_name = "site", .hosts = {"site"}});
    ASSERT_TRUE(bundle) << bundle.error().message;
    EXPECT_EQ(why_not(with(*bundle, list())), "");
  }
  const Outcome made = run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", dir_.path("ca.key"),
                            "-out", dir_.path("ca.crt"), "-subj", "/CN=rsa", "-addext",
                            "keyUsage=critical,keyCertSign,cRLSign"});
  ASSERT_EQ(made.status, 0) << made.output;
  const std::string good = list();
  EXPECT_EQ(why_not({.ca = dir_.read("ca.crt"), .cert = {}, .key = {}, .crl = good}), "");
}

TEST_F(Revocation, AListOfNoUseIsRefusedWithItsReason) {
  const TestPki& pki = TestPki::get();
  EXPECT_EQ(why_not(with(pki.server, "nonsense")), "ca.crl holds no CRL in PEM form");
  EXPECT_EQ(why_not(with(pki.server, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")),
            "ca.crl is not a readable CRL");
  std::string damaged = list();
  const std::size_t middle = damaged.size() / 2;
  damaged[middle] = damaged[middle] == 'A' ? 'B' : 'A';
  EXPECT_NE(why_not(with(pki.server, damaged)), "");
  const auto stranger = make_ca({.common_name = "stranger"});
  ASSERT_TRUE(stranger);
  use(*stranger);
  EXPECT_EQ(why_not(with(pki.server, list())), "ca.crl is not signed by a CA of ca.crt");
}

TEST_F(Revocation, AListThatIsOutOfDateIsRefused) {
  openssl({"-gencrl", "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200102000000Z", "-out",
           dir_.path("ca.crl")});
  EXPECT_EQ(why_not(with(TestPki::get().server, dir_.read("ca.crl"))),
            "ca.crl is out of date: its successor was due on 2020-01-02 00:00:00 UTC");
}

TEST_F(Revocation, APeerOfACaThatIsTakenOutIsNotTrusted) {
  const TestPki& pki = TestPki::get();
  const auto fresh = make_ca({.common_name = "fresh"});
  ASSERT_TRUE(fresh);
  auto bundle = make_certificate(*fresh, {.common_name = "site", .hosts = {"site"}});
  ASSERT_TRUE(bundle);
  PemBundle both = *bundle;
  both.ca += pki.ca.cert;
  EXPECT_TRUE(load(both)->peer_judge().judge(chain_of(pki.client)));
  const auto refused = load(*bundle)->peer_judge().judge(chain_of(pki.client));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTlsUntrusted);
  EXPECT_NE(load(both)->digest(), load(*bundle)->digest());
  EXPECT_EQ(load(both)->digest(), load(both)->digest());
}

}  // namespace
}  // namespace fairlead
