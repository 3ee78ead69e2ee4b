#include <ctime>
#include <set>

#include <gtest/gtest.h>

#include "tests/unit/tls_fixtures.h"
#include "tests/unit/tls_process.h"
#include "transport/tls/certificate_info.h"
#include "transport/tls/certificates.h"
#include "transport/tls/pem.h"

namespace fairlead {
namespace {

constexpr std::int64_t kDay = 86'400;

CertificateInfo info_of(const std::string& pem) {
  const auto blocks = pem_blocks(pem, "CERTIFICATE");
  EXPECT_FALSE(blocks.empty());
  return parse_certificate(certificate_der(blocks.at(0)).value()).value();
}

class CertificatesOfEveryKind : public testing::TestWithParam<KeyKind> {
 protected:
  CertificateAuthority ca_ = make_ca({.common_name = "a CA", .kind = GetParam()}).value();
};

INSTANTIATE_TEST_SUITE_P(Tls, CertificatesOfEveryKind, testing::Values(KeyKind::kP256, KeyKind::kEd25519),
                         [](const auto& kind) { return kind.param == KeyKind::kP256 ? "P256" : "Ed25519"; });

TEST_P(CertificatesOfEveryKind, SaysWhatWasAskedFor) {
  const auto bundle = make_certificate(ca_, {.common_name = "west",
                                             .hosts = {"west.example", "10.1.2.3", "*.west.example", "2001:db8::1"},
                                             .validity_days = 30,
                                             .kind = GetParam()});
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_EQ(bundle->ca, ca_.cert);
  const CertificateInfo info = info_of(bundle->cert);
  EXPECT_EQ(info.subject, "west");
  EXPECT_EQ(info.issuer, "a CA");
  EXPECT_EQ((std::set<std::string>(info.dns_names.begin(), info.dns_names.end())),
            (std::set<std::string>{"west.example", "*.west.example"}));
  EXPECT_EQ((std::set<std::string>(info.ip_addresses.begin(), info.ip_addresses.end())),
            (std::set<std::string>{"10.1.2.3", "2001:db8::1"}));
  EXPECT_EQ(info.not_after_unix_s - info.not_before_unix_s, 30 * kDay + 300);
  EXPECT_LE(info.not_before_unix_s, std::time(nullptr) - 299) << "clocks may differ";
  EXPECT_EQ(info.fingerprint.size(), 64U);
}

TEST_P(CertificatesOfEveryKind, MakesCredentialsThatLoad) {
  const auto bundle = make_certificate(ca_, {.common_name = "west", .hosts = {"west"}, .kind = GetParam()}).value();
  const auto credentials = Credentials::load(bundle);
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_EQ((*credentials)->ca().subject, "a CA");
  EXPECT_EQ((*credentials)->certificate().subject, "west");
}

TEST_P(CertificatesOfEveryKind, OpensslAcceptsThem) {
  SKIP_WITHOUT_OPENSSL();
  const TempDir dir;
  const auto bundle =
      make_certificate(ca_, {.common_name = "west", .hosts = {"west.example", "10.1.2.3"}, .kind = GetParam()}).value();
  dir.write("ca.crt", bundle.ca);
  dir.write("tls.crt", bundle.cert);
  dir.write("tls.key", bundle.key);
  for (const char* purpose : {"sslserver", "sslclient"}) {
    const auto verified = run({"openssl", "verify", "-x509_strict", "-purpose", purpose, "-verify_ip", "10.1.2.3",
                               "-CAfile", dir.path("ca.crt"), dir.path("tls.crt")});
    EXPECT_EQ(verified.status, 0) << verified.output;
  }
  const auto wrong_name = run(
      {"openssl", "verify", "-verify_hostname", "east.example", "-CAfile", dir.path("ca.crt"), dir.path("tls.crt")});
  EXPECT_NE(wrong_name.status, 0);
  const auto self =
      run({"openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile", dir.path("ca.crt"), dir.path("ca.crt")});
  EXPECT_EQ(self.status, 0) << self.output;
  const auto key = run({"openssl", "pkey", "-in", dir.path("tls.key"), "-pubout"});
  const auto certificate = run({"openssl", "x509", "-in", dir.path("tls.crt"), "-noout", "-pubkey"});
  EXPECT_EQ(key.status, 0) << key.output;
  EXPECT_EQ(key.output, certificate.output);
}

TEST_P(CertificatesOfEveryKind, OpensslSeesTheExtensions) {
  SKIP_WITHOUT_OPENSSL();
  const TempDir dir;
  dir.write("ca.crt", ca_.cert);
  dir.write("tls.crt", make_certificate(ca_, {.common_name = "west", .hosts = {"west"}, .kind = GetParam()})->cert);
  const std::string ca = run({"openssl", "x509", "-in", dir.path("ca.crt"), "-noout", "-text"}).output;
  EXPECT_NE(ca.find("CA:TRUE, pathlen:0"), std::string::npos) << ca;
  EXPECT_NE(ca.find("Certificate Sign, CRL Sign"), std::string::npos) << ca;
  const std::string own = run({"openssl", "x509", "-in", dir.path("tls.crt"), "-noout", "-text"}).output;
  EXPECT_NE(own.find("TLS Web Server Authentication, TLS Web Client Authentication"), std::string::npos) << own;
  EXPECT_NE(own.find("Digital Signature"), std::string::npos) << own;
  EXPECT_NE(own.find("Authority Key Identifier"), std::string::npos) << own;
  EXPECT_NE(own.find("Subject Key Identifier"), std::string::npos) << own;
  EXPECT_EQ(own.find("CA:TRUE"), std::string::npos) << own;
}

TEST(Certificates, SerialNumbersAreRandom) {
  SKIP_WITHOUT_OPENSSL();
  const TempDir dir;
  std::set<std::string> serials;
  for (int i = 0; i < 8; ++i) {
    dir.write("tls.crt", TestPki::get().issue({.common_name = "x"}).cert);
    serials.insert(run({"openssl", "x509", "-in", dir.path("tls.crt"), "-noout", "-serial"}).output);
  }
  EXPECT_EQ(serials.size(), 8U);
  EXPECT_EQ(serials.begin()->size(), std::string("serial=\n").size() + 32) << *serials.begin();
}

TEST(Certificates, DatesBeyond2050AreWrittenInFull) {
  const auto ca = make_ca({.common_name = "old", .validity_days = 20'000});
  ASSERT_TRUE(ca) << ca.error().message;
  const CertificateInfo info = info_of(ca->cert);
  EXPECT_EQ(info.not_after_unix_s - info.not_before_unix_s, 20'000 * kDay + 300);
}

TEST(Certificates, LongNamesAreCutAndManyHostsFit) {
  CertificateRequest request{.common_name = std::string(200, 'n')};
  for (int i = 0; i < 300; ++i)
    request.hosts.push_back("host" + std::to_string(i) + ".example");
  const auto bundle = make_certificate(TestPki::get().ca, request);
  ASSERT_TRUE(bundle) << bundle.error().message;
  EXPECT_EQ(info_of(bundle->cert).dns_names.size(), 300U);
  EXPECT_EQ(info_of(bundle->cert).subject, std::string(64, 'n'));
  for (int i = 0; i < 2000; ++i)
    request.hosts.push_back("more" + std::to_string(i) + ".example");
  EXPECT_EQ(make_certificate(TestPki::get().ca, request).error().code, ErrorCode::kLimit);
}

TEST(Certificates, RefusesWhatIsNoHost) {
  for (const char* host : {"", "a b", "http://x", "10.0.0.1:80", "[::1]"}) {
    const auto bundle = make_certificate(TestPki::get().ca, {.common_name = "x", .hosts = {host}});
    ASSERT_FALSE(bundle) << host;
    EXPECT_EQ(bundle.error().code, ErrorCode::kInvalid);
    EXPECT_NE(bundle.error().message.find("neither an IP address nor a host name"), std::string::npos);
  }
}

TEST(Certificates, RefusesAKeyThatIsNotTheCas) {
  CertificateAuthority mixed = TestPki::get().ca;
  mixed.key = make_ca({.common_name = "other"})->key;
  const auto bundle = make_certificate(mixed, {.common_name = "x"});
  ASSERT_FALSE(bundle);
  EXPECT_EQ(bundle.error().code, ErrorCode::kCredentials);
  mixed.key = "nothing";
  EXPECT_EQ(make_certificate(mixed, {.common_name = "x"}).error().code, ErrorCode::kCredentials);
  mixed = TestPki::get().ca;
  mixed.cert = "nothing";
  EXPECT_EQ(make_certificate(mixed, {.common_name = "x"}).error().code, ErrorCode::kCredentials);
}

TEST(Certificates, AnAuthorityIsCheckedBeforeItSigns) {
  const TestPki& pki = TestPki::get();
  EXPECT_TRUE(check_authority(pki.ca)) << check_authority(pki.ca).error().message;
  const auto message = [](const CertificateAuthority& authority) {
    const auto checked = check_authority(authority);
    EXPECT_FALSE(checked);
    EXPECT_EQ(checked.error().code, ErrorCode::kCredentials);
    return checked.error().message;
  };
  EXPECT_EQ(message({pki.ca.cert, make_ca({.common_name = "other"})->key}),
            "the CA's key does not belong to its certificate");
  EXPECT_EQ(message({pki.server.cert, pki.server.key}), "the certificate ('server') is not that of a CA");
  EXPECT_NE(message({"nothing", pki.ca.key}).find("holds no certificate"), std::string::npos);
  EXPECT_NE(message({pki.ca.cert, "nothing"}).find("the CA's key cannot be used"), std::string::npos);
  const CertificateAuthority expired = make_ca({.common_name = "old", .validity_days = -1}).value();
  EXPECT_TRUE(message(expired).starts_with("the CA's certificate ('old') expired on ")) << message(expired);
}

TEST(Certificates, CanBeExpired) {
  const CertificateInfo info =
      info_of(TestPki::get().issue({.common_name = "x", .validity_days = 5, .valid_from_days = -10}).cert);
  EXPECT_LT(info.not_after_unix_s, std::time(nullptr));
}

TEST(CertificateInfo, ReadsNoGarbage) {
  EXPECT_FALSE(parse_certificate({}));
  EXPECT_FALSE(parse_certificate(numbered_bytes(500, 1)));
  const auto der = certificate_der(TestPki::get().server.cert).value();
  for (std::size_t size = 0; size < der.size(); size += 7) {
    EXPECT_FALSE(parse_certificate(std::span(der).first(size))) << size;
  }
}

TEST(CertificateInfo, MatchesHosts) {
  CertificateInfo info;
  info.dns_names = {"one.example", "*.wild.example", "*.com", "f*o.example", "*"};
  info.ip_addresses = {"10.0.0.2", "2001:db8::1"};
  info.subject = "subject.example";
  for (const char* good :
       {"one.example", "ONE.Example", "one.example.", "a.wild.example", "10.0.0.2", "2001:db8::1", "2001:DB8:0:0::1"}) {
    EXPECT_TRUE(is_valid_for_host(info, good)) << good;
  }
  for (const char* bad : {"two.example", "a.b.wild.example", "wild.example", ".wild.example", "x.com", "foo.example",
                          "localhost", "10.0.0.3", "2001:db8::2", "", ".", "subject.example", "one.example.x"}) {
    EXPECT_FALSE(is_valid_for_host(info, bad)) << bad;
  }
  info.dns_names = {"10.0.0.9"};
  EXPECT_FALSE(is_valid_for_host(info, "10.0.0.9")) << "an IP address is only in an IP name";
}

TEST(CertificateInfo, ListsNames) {
  CertificateInfo info;
  EXPECT_EQ(info.names(), "nothing");
  info.dns_names = {"a"};
  info.ip_addresses = {"10.0.0.2"};
  EXPECT_EQ(info.names(), "a, 10.0.0.2");
}

TEST(CertificateInfo, FormatsDates) {
  EXPECT_EQ(format_date(1'785'664'800), "2026-08-02 10:00:00 UTC");
}

TEST(Credentials, SaysWhatIsMissingOrBroken) {
  const TestPki& pki = TestPki::get();
  const auto message = [](const PemBundle& bundle) {
    const auto credentials = Credentials::load(bundle);
    EXPECT_FALSE(credentials);
    if (credentials) return std::string();
    EXPECT_EQ(credentials.error().code, ErrorCode::kCredentials);
    return credentials.error().message;
  };
  const auto says = [&](const PemBundle& bundle, const char* part) {
    const std::string text = message(bundle);
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  says({"", pki.server.cert, pki.server.key}, "ca.crt is missing");
  says({pki.ca.cert, pki.server.cert, ""}, "tls.key is missing");
  says({pki.ca.cert, "", pki.server.key}, "tls.crt is missing");
  says({"rubbish", pki.server.cert, pki.server.key}, "ca.crt holds no certificate in PEM form");
  says({pki.ca.cert, "rubbish", pki.server.key}, "tls.crt holds no certificate in PEM form");
  says({pki.ca.cert, pki.server.cert, "rubbish"}, "tls.key holds no private key");
  says({pki.ca.cert, pki.server.cert, pki.client.key}, "tls.key does not belong to");
  says({pki.server.cert, pki.server.cert, pki.server.key}, "ca.crt ('server') is not the certificate of a CA");
  says({"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "", ""}, "ca.crt: certificate 1 is not");
  says({pki.ca.cert, pki.server.cert, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"}, "tls.key is encrypted");
  // What was decoded of it so far is given back.
  const std::string damaged = "-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n";
  says({pki.ca.cert, pki.server.cert, damaged}, "tls.key holds no private key that can be read");
}

TEST(Credentials, SaysWhenTheyAreExpired) {
  const TestPki& pki = TestPki::get();
  const auto expired = Credentials::load(pki.issue({.common_name = "x", .validity_days = 5, .valid_from_days = -10}));
  ASSERT_FALSE(expired);
  EXPECT_NE(expired.error().message.find("tls.crt ('x') expired on 2"), std::string::npos) << expired.error().message;
  const auto early = Credentials::load(pki.issue({.common_name = "x", .valid_from_days = 10}));
  ASSERT_FALSE(early);
  EXPECT_NE(early.error().message.find("is not valid before 2"), std::string::npos) << early.error().message;
  const auto old_ca = make_ca({.common_name = "old", .validity_days = -1}).value();
  const auto ca = Credentials::load({old_ca.cert, "", ""});
  ASSERT_FALSE(ca);
  EXPECT_NE(ca.error().message.find("ca.crt ('old') expired on 2"), std::string::npos) << ca.error().message;
  EXPECT_TRUE(Credentials::load({old_ca.cert + pki.ca.cert, "", ""})) << "one good CA is enough";
}

TEST(Credentials, NeedNoCertificate) {
  const auto credentials = load({TestPki::get().ca.cert, "", ""});
  EXPECT_FALSE(credentials->has_certificate());
  EXPECT_TRUE(load(TestPki::get().client)->has_certificate());
}

// ---- keys that stay where they are

TEST_P(CertificatesOfEveryKind, ACertificateForAKeyThatStaysWithItsHolder) {
  const std::string key = make_key(GetParam()).value();
  const std::string request = make_signing_request(key, "west").value();
  const auto public_key = public_key_of_request(request);
  ASSERT_TRUE(public_key) << public_key.error().message;
  const auto cert = certify(ca_, {.common_name = "west", .validity_days = 30, .client_only = true}, *public_key);
  ASSERT_TRUE(cert) << cert.error().message;
  const auto loaded = Credentials::load({ca_.cert, *cert, key});
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->certificate().subject, "west");
  EXPECT_EQ((*loaded)->certificate().names(), "nothing");
  EXPECT_EQ(public_key_of_request(make_signing_request(key, "other").value()), *public_key);
}

TEST_P(CertificatesOfEveryKind, OpensslReadsTheRequestAndWhatCameOfIt) {
  SKIP_WITHOUT_OPENSSL();
  const TempDir dir;
  const std::string key = make_key(GetParam()).value();
  const std::string request = make_signing_request(key, "west").value();
  dir.write("request.der", request);
  dir.write("ca.crt", ca_.cert);
  dir.write("tls.crt",
            certify(ca_, {.common_name = "west", .client_only = true}, public_key_of_request(request).value()).value());
  const auto shown =
      run({"openssl", "req", "-inform", "DER", "-in", dir.path("request.der"), "-noout", "-verify", "-subject"});
  EXPECT_EQ(shown.status, 0) << shown.output;
  EXPECT_NE(shown.output.find("CN = west"), std::string::npos) << shown.output;
  const auto verify = [&](const char* purpose) {
    return run(
        {"openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", dir.path("ca.crt"), dir.path("tls.crt")});
  };
  EXPECT_EQ(verify("sslclient").status, 0) << verify("sslclient").output;
  EXPECT_NE(verify("sslserver").status, 0) << "good for dialling only";
}

TEST(CertificateRequests, OfOpenssl) {
  SKIP_WITHOUT_OPENSSL();
  const TempDir dir;
  const auto make = [&](std::vector<std::string> kind) {
    std::vector<std::string> words = {"openssl",     "req",      "-new", "-nodes", "-subj",       "/CN=west", "-keyout",
                                      dir.path("k"), "-outform", "DER",  "-out",   dir.path("r"), "-newkey"};
    words.insert(words.end(), kind.begin(), kind.end());
    EXPECT_EQ(run(words).status, 0);
    return public_key_of_request(dir.read("r"));
  };
  EXPECT_TRUE(make({"ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-addext", "subjectAltName=DNS:gw.example"}));
  EXPECT_TRUE(make({"ed25519"}));
  const auto rsa = make({"rsa:2048"});
  ASSERT_FALSE(rsa);
  EXPECT_NE(rsa.error().message.find("P-256"), std::string::npos) << rsa.error().message;
}

TEST(CertificateRequests, AreRefusedUnlessWholeAndSignedWithTheirOwnKey) {
  const std::string request = make_signing_request(make_key().value(), "west").value();
  const std::string key = public_key_of_request(request).value();
  EXPECT_FALSE(public_key_of_request(""));
  EXPECT_FALSE(public_key_of_request(std::string(kSigningRequestMax + 1, 'x')));
  std::size_t refused = 0;
  for (std::size_t i = 0; i < request.size(); ++i) {
    EXPECT_FALSE(public_key_of_request(request.substr(0, i))) << "cut at " << i;
    std::string other = request;
    other[i] = static_cast<char>(other[i] ^ 0x01);
    const auto read = public_key_of_request(other);
    // How the signature is written down has some freedom; what is signed has none.
    if (read) {
      EXPECT_EQ(*read, key) << "byte " << i;
    } else {
      EXPECT_EQ(read.error().code, ErrorCode::kInvalid);
      refused++;
    }
  }
  EXPECT_GE(refused + 4, request.size());
}

}  // namespace
}  // namespace fairlead
