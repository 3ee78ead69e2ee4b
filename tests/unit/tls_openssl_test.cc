// Handshake and records, those of user space and those of the kernel, against OpenSSL's s_server and s_client: that
// what we speak is TLS 1.3.
#include <algorithm>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/link_end.h"
#include "tests/unit/tls_fixtures.h"
#include "tests/unit/tls_process.h"
#include "transport/kernel_tls.h"

namespace fairlead {
namespace {

using Arguments = std::vector<std::string>;

// The program does not know "fairlead/1" by itself; it is told in each test that wants to be understood.
const Arguments kAlpn = {"-alpn", kLinkAlpn};

Arguments operator+(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Openssl : public testing::Test {
 protected:
  void SetUp() override { SKIP_WITHOUT_OPENSSL(); }

  // Options for a program that is one end with these credentials.
  Arguments identity(const PemBundle& bundle) const {
    dir_.write("ca.crt", bundle.ca);
    dir_.write("tls.crt", bundle.cert);
    dir_.write("tls.key", bundle.key);
    return {"-CAfile", dir_.path("ca.crt"), "-cert", dir_.path("tls.crt"), "-key", dir_.path("tls.key")};
  }

  // The same without a certificate.
  Arguments anonymity() const {
    dir_.write("ca.crt", TestPki::get().ca.cert);
    return {"-CAfile", dir_.path("ca.crt")};
  }

  // Starts s_server on a free port and connects our client to it.
  std::unique_ptr<LinkEnd> client_of(const Arguments& options, ClientHandshakeOptions ours = {},
                                           const PemBundle& bundle = TestPki::get().client) {
    peer_ = std::make_unique<Process>(Arguments{"openssl", "s_server", "-accept", "127.0.0.1:0"} + options);
    constexpr std::string_view kAnnouncement = "ACCEPT 127.0.0.1:";
    if (!peer_->wait_for(kAnnouncement)) ADD_FAILURE() << peer_->output();
    const std::size_t at = peer_->output().find(kAnnouncement) + kAnnouncement.size();
    if (!peer_->wait_for("\n", at)) ADD_FAILURE() << peer_->output();
    const std::string port = peer_->output().substr(at, peer_->output().find('\n', at) - at);
    if (ours.host.empty()) ours.host = "server.test";
    ours.peer = "127.0.0.1:" + port;
    return std::make_unique<LinkEnd>(connect_to_loopback(std::stoi(port)),
                                     Handshake::client(load(bundle), ours).value(), PostHandshake::Role::kClient,
                                     protection_);
  }

  // Starts s_client and accepts it with our server.
  std::unique_ptr<LinkEnd> server_of(const Arguments& options, ServerHandshakeOptions ours = {},
                                           const PemBundle& bundle = TestPki::get().server) {
    const LoopbackListener listener;
    peer_ = std::make_unique<Process>(Arguments{"openssl", "s_client", "-connect", listener.address()} + options);
    ours.peer = "10.9.8.7:6";
    return std::make_unique<LinkEnd>(listener.accept(), Handshake::server(load(bundle), ours).value(),
                                     PostHandshake::Role::kServer, protection_);
  }

  const TempDir dir_;
  std::unique_ptr<Process> peer_;
  RecordProtection protection_ = RecordProtection::kUser;
};

// By whichever protects the records.
class OpensslRecords : public Openssl, public testing::WithParamInterface<RecordProtection> {
 protected:
  void SetUp() override {
    Openssl::SetUp();
    protection_ = GetParam();
    if (protection_ == RecordProtection::kUser) return;
    features_ = probe_kernel_tls(live_kernel());
    if (!features_.lacking.empty()) GTEST_SKIP() << features_.lacking;
  }

  bool replaces_keys() const { return protection_ == RecordProtection::kUser || features_.rekeys; }

  // Has the program renew its sending key, and with 'K' ask for ours. It takes a command only if nothing else is in the
  // same read, so that is waited for before more is written.
  void renew_key(char command) {
    const std::size_t from = peer_->output().size();
    peer_->write(std::string{command, '\n'});
    EXPECT_TRUE(peer_->wait_for(kSaysKeyUpdate, from)) << peer_->output();
  }

  // OpenSSL with -msg, about a message that it sent and one that it received.
  static constexpr std::string_view kSaysKeyUpdate = ">>> TLS 1.3, Handshake [length 0005], KeyUpdate";
  static constexpr std::string_view kSawKeyUpdate = "<<< TLS 1.3, Handshake [length 0005], KeyUpdate";

 private:
  KernelTlsFeatures features_;
};

constexpr RecordProtection kProtections[] = {RecordProtection::kUser, RecordProtection::kKernel};
INSTANTIATE_TEST_SUITE_P(By, OpensslRecords, testing::ValuesIn(kProtections), [](const auto& given) {
  return given.param == RecordProtection::kUser ? "user" : "kernel";
});

#define SKIP_WITHOUT_KEY_REPLACEMENT() \
  if (!replaces_keys()) GTEST_SKIP() << "this kernel does not replace keys"

const Arguments kDemandClient = {"-Verify", "1", "-verify_return_error"};

void expect_echoes(LinkEnd& connection) {
  for (const std::size_t size : {1UL, 100UL, 4000UL, 16'000UL}) {
    std::string line = "<" + std::string(size, 'x') + ">";
    connection.send(line + "\n");
    std::ranges::reverse(line);
    EXPECT_TRUE(connection.receive_until(line)) << size;
  }
}

TEST_P(OpensslRecords, EchoesOurClientInEverySuite) {
  for (const CipherSuite suite : kDefaultSuites) {
    const auto connection = client_of(identity(TestPki::get().server) + kAlpn + kDemandClient +
                                      Arguments{"-ciphersuites", std::string(name_of(suite)), "-rev"});
    const auto error = connection->shake_hands();
    ASSERT_FALSE(error) << error->message;
    EXPECT_EQ(connection->result().suite, suite);
    EXPECT_EQ(connection->result().alpn, "fairlead/1");
    EXPECT_EQ(connection->result().peer_certificate->subject, "server");
    expect_echoes(*connection);  // behind the two tickets that OpenSSL sends
    connection->send_close_notify();
    EXPECT_TRUE(connection->receive_close());
  }
}

TEST_P(OpensslRecords, TalksWithOurServerInEverySuite) {
  for (const CipherSuite suite : kDefaultSuites) {
    const auto connection = server_of(identity(TestPki::get().client) + kAlpn +
                                      Arguments{"-verify_return_error", "-verify_hostname", "server.test",
                                                "-ciphersuites", std::string(name_of(suite))});
    const auto error = connection->shake_hands();
    ASSERT_FALSE(error) << error->message;
    EXPECT_EQ(connection->result().suite, suite);
    EXPECT_EQ(connection->result().peer_certificate->subject, "client");
    peer_->write("from the client\n");
    EXPECT_TRUE(connection->receive_until("from the client\n"));
    const std::string much(300'000, 'm');
    connection->send(much + "from the server\n");
    EXPECT_TRUE(peer_->wait_for(much + "from the server\n"));
    peer_->close_input();
    EXPECT_TRUE(connection->receive_close()) << "s_client says close_notify at the end of its input";
    connection->send_close_notify();
    EXPECT_EQ(peer_->finish(), 0) << peer_->output();
    EXPECT_NE(peer_->output().find("Verification: OK"), std::string::npos) << peer_->output();
    EXPECT_NE(peer_->output().find("ALPN protocol: fairlead/1"), std::string::npos) << peer_->output();
  }
}

TEST_P(OpensslRecords, ServerRenewsKeys) {
  SKIP_WITHOUT_KEY_REPLACEMENT();
  const auto connection = client_of(identity(TestPki::get().server) + kAlpn + kDemandClient + Arguments{"-msg"});
  ASSERT_FALSE(connection->shake_hands());
  connection->send("one\n");
  ASSERT_TRUE(peer_->wait_for("one\n"));

  renew_key('k');
  peer_->write("after k\n");
  ASSERT_TRUE(connection->receive_until("after k\n"));
  EXPECT_EQ(peer_->output().find(kSawKeyUpdate), std::string::npos) << "it did not ask for ours";

  for (const std::string number : {"two", "three"}) {
    renew_key('K');
    ASSERT_TRUE(connection->answer_key_update());
    connection->send(number + "\n");
    ASSERT_TRUE(peer_->wait_for(number + "\n"));
    peer_->write("after " + number + "\n");
    ASSERT_TRUE(connection->receive_until("after " + number + "\n"));
  }
  EXPECT_NE(peer_->output().find(kSawKeyUpdate), std::string::npos) << peer_->output();

  connection->send_key_update();
  connection->send("four\n");
  ASSERT_TRUE(peer_->wait_for("four\n"));
  connection->send_close_notify();
  EXPECT_TRUE(connection->receive_close());
}

TEST_P(OpensslRecords, ClientRenewsKeys) {
  SKIP_WITHOUT_KEY_REPLACEMENT();
  const auto connection = server_of(identity(TestPki::get().client) + kAlpn + Arguments{"-msg"});
  ASSERT_FALSE(connection->shake_hands());
  renew_key('k');
  peer_->write("after k\n");
  ASSERT_TRUE(connection->receive_until("after k\n"));
  renew_key('K');
  ASSERT_TRUE(connection->answer_key_update());
  connection->send("two\n");
  EXPECT_TRUE(peer_->wait_for("two\n"));
  EXPECT_NE(peer_->output().find(kSawKeyUpdate), std::string::npos) << peer_->output();
  peer_->write("Q\n");
  EXPECT_TRUE(connection->receive_close());
}

TEST_F(Openssl, HelloRetryRequestsAreNoObstacle) {
  const auto client = client_of(identity(TestPki::get().server) + kAlpn + Arguments{"-groups", "P-384", "-rev"});
  auto error = client->shake_hands();
  ASSERT_FALSE(error) << error->message;
  EXPECT_EQ(client->result().group, "SECP384R1");
  expect_echoes(*client);

  const auto server = server_of(identity(TestPki::get().client) + kAlpn + Arguments{"-groups", "X448:P-256"});
  error = server->shake_hands();
  ASSERT_FALSE(error) << error->message;
  EXPECT_EQ(server->result().group, "SECP256R1");
  peer_->write("hello\n");
  EXPECT_TRUE(server->receive_until("hello\n"));
}

// Bundles from elsewhere: an RSA CA that signs an RSA server and a P-384 client.
TEST_F(Openssl, CertificatesOfOtherKindsWork) {
  const auto make = [&](const Arguments& command) {
    const Outcome outcome = run(Arguments{"openssl"} + command);
    ASSERT_EQ(outcome.status, 0) << outcome.output;
  };
  make({"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/O=Test/CN=rsa CA", "-keyout",
        dir_.path("ca.key"), "-out", dir_.path("root.crt")});
  dir_.write("server.ext", "subjectAltName=DNS:server.test\nextendedKeyUsage=serverAuth\n");
  dir_.write("client.ext", "extendedKeyUsage=clientAuth\n");
  make({"req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=rsa server", "-keyout", dir_.path("server.key"), "-out",
        dir_.path("server.csr")});
  make({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes", "-subj", "/CN=p384 client",
        "-keyout", dir_.path("client.key"), "-out", dir_.path("client.csr")});
  for (const std::string name : {"server", "client"}) {
    make({"x509", "-req", "-in", dir_.path(name + ".csr"), "-CA", dir_.path("root.crt"), "-CAkey", dir_.path("ca.key"),
          "-days", "1", "-extfile", dir_.path(name + ".ext"), "-out", dir_.path(name + ".crt")});
  }
  const PemBundle server = {dir_.read("root.crt"), dir_.read("server.crt"), dir_.read("server.key")};
  const PemBundle client = {dir_.read("root.crt"), dir_.read("client.crt"), dir_.read("client.key")};

  const auto our_client = client_of(identity(server) + kAlpn + kDemandClient + Arguments{"-rev"}, {}, client);
  auto error = our_client->shake_hands();
  ASSERT_FALSE(error) << error->message;
  EXPECT_EQ(our_client->result().peer_certificate->subject, "rsa server");
  EXPECT_EQ(our_client->result().peer_certificate->issuer, "rsa CA");
  expect_echoes(*our_client);

  const auto our_server = server_of(identity(client) + kAlpn + Arguments{"-verify_return_error"}, {}, server);
  error = our_server->shake_hands();
  ASSERT_FALSE(error) << error->message;
  EXPECT_EQ(our_server->result().peer_certificate->subject, "p384 client");

  // A certificate for clients only does not do for a server.
  const auto misused = client_of(identity(client) + kAlpn, {}, client);
  error = misused->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTlsUntrusted);
  EXPECT_NE(error->message.find("is not one for a server"), std::string::npos) << error->message;
}

TEST_F(Openssl, OurClientRefusesWrongServers) {
  const auto other = make_ca({.common_name = "other CA"}).value();
  const auto strange = make_certificate(other, {.common_name = "server", .hosts = {"server.test"}}).value();
  auto error = client_of(identity(strange) + kAlpn)->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTlsUntrusted) << error->message;

  const auto expired = TestPki::get().issue(
      {.common_name = "server", .hosts = {"server.test"}, .validity_days = 5, .valid_from_days = -10});
  error = client_of(identity(expired) + kAlpn)->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTlsExpired);
  EXPECT_NE(error->message.find(" expired on 2"), std::string::npos) << error->message;

  const auto early = TestPki::get().issue({.common_name = "server", .hosts = {"server.test"}, .valid_from_days = 10});
  error = client_of(identity(early) + kAlpn)->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTlsExpired);
  EXPECT_NE(error->message.find(" is not valid before 2"), std::string::npos) << error->message;
}

TEST_F(Openssl, OurClientTellsAWrongServerWhy) {
  const auto wrong_name = client_of(identity(TestPki::get().server) + kAlpn, {.host = "other.test"});
  auto error = wrong_name->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTlsName) << error->message;
  EXPECT_TRUE(peer_->wait_for("bad certificate")) << "our alert is one that OpenSSL can open: " << peer_->output();

  const auto no_alpn = client_of(identity(TestPki::get().server));
  error = no_alpn->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_NE(error->message.find("does not choose ALPN fairlead/1"), std::string::npos) << error->message;
  EXPECT_TRUE(peer_->wait_for("no application protocol")) << peer_->output();
}

TEST_F(Openssl, OurClientHearsWhyItIsRefused) {
  const auto other = make_ca({.common_name = "other CA"}).value();
  PemBundle server = TestPki::get().server;
  server.ca = other.cert;
  const auto refused = client_of(identity(server) + kAlpn + kDemandClient);
  ASSERT_FALSE(refused->shake_hands()) << "the client is ready before the server has seen its certificate";
  EXPECT_FALSE(refused->receive_close());
  ASSERT_TRUE(refused->error());
  EXPECT_EQ(refused->error()->code, ErrorCode::kTlsRefused);
  EXPECT_EQ(refused->error()->message, "the peer refused our certificate: unknown_ca (alert 48)");

  const auto anonymous =
      client_of(identity(TestPki::get().server) + kAlpn + kDemandClient, {.present_certificate = false});
  ASSERT_FALSE(anonymous->shake_hands());
  EXPECT_FALSE(anonymous->receive_close());
  ASSERT_TRUE(anonymous->error());
  EXPECT_EQ(anonymous->error()->code, ErrorCode::kTlsRefused);
}

TEST_F(Openssl, OurServerRefusesWrongClients) {
  auto error = server_of(anonymity() + kAlpn)->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTlsNoCertificate);
  EXPECT_EQ(error->message, "client 10.9.8.7:6 presented no certificate");
  EXPECT_TRUE(peer_->wait_for("certificate required")) << peer_->output();

  const auto other = make_ca({.common_name = "other CA"}).value();
  PemBundle strange = make_certificate(other, {.common_name = "client"}).value();
  error = server_of(identity(strange) + kAlpn)->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTlsUntrusted) << error->message;
  EXPECT_TRUE(peer_->wait_for("unknown ca")) << peer_->output();

  const auto expired = TestPki::get().issue({.common_name = "client", .validity_days = 5, .valid_from_days = -10});
  error = server_of(identity(expired) + kAlpn)->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTlsExpired) << error->message;
  EXPECT_TRUE(peer_->wait_for("certificate expired")) << peer_->output();
}

TEST_F(Openssl, AnonymousClientsMayBeAllowed) {
  const auto connection = server_of(anonymity() + kAlpn, {.allow_anonymous = true});
  const auto error = connection->shake_hands();
  ASSERT_FALSE(error) << error->message;
  EXPECT_FALSE(connection->result().peer_certificate);
  peer_->write("hello\n");
  EXPECT_TRUE(connection->receive_until("hello\n"));
}

TEST_F(Openssl, OurServerDemandsOurProtocol) {
  for (const Arguments& alpn : {Arguments{}, Arguments{"-alpn", "h2"}}) {
    const auto error = server_of(identity(TestPki::get().client) + alpn)->shake_hands();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->message, "no common protocol: client 10.9.8.7:6 offers no ALPN fairlead/1");
    EXPECT_TRUE(peer_->wait_for("no application protocol")) << peer_->output();
  }
}

TEST_F(Openssl, OlderVersionsAreNotSpoken) {
  auto error = server_of(identity(TestPki::get().client) + kAlpn + Arguments{"-tls1_2"})->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTlsNotTls) << error->message;
  EXPECT_TRUE(peer_->wait_for("protocol version")) << peer_->output();

  error = client_of(identity(TestPki::get().server) + kAlpn + Arguments{"-tls1_2"})->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTlsNotTls) << error->message;
}

TEST_F(Openssl, ClosingBeforeTheEndIsNoticed) {
  const auto connection = server_of(identity(TestPki::get().client) + kAlpn);
  peer_.reset();
  const auto error = connection->shake_hands();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kReset) << error->message;
}

}  // namespace
}  // namespace fairlead
