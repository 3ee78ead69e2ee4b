// Our client against our server, in memory. tls_openssl_test.cc has each against OpenSSL.
#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/tls_fixtures.h"
#include "transport/tls/handshake.h"
#include "transport/tls/post_handshake.h"
#include "transport/tls/record.h"

namespace fairlead {
namespace {

using Progress = Handshake::Progress;

// One end of a handshake and how it came out.
struct End {
  std::unique_ptr<Handshake> handshake;
  bool complete = false;
  std::optional<Error> error;

  // Feeds it what the other end has put out.
  void take_from(End& other, std::size_t piece) {
    Bytes bytes = std::exchange(other.handshake->output(), {});
    for (std::size_t at = 0; at < bytes.size() && !complete && !error; at += piece) {
      const auto progress = handshake->feed(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
      if (!progress) {
        error = progress.error();
      } else {
        complete = *progress == Progress::kComplete;
      }
    }
  }
};

struct Pair {
  ClientHandshakeOptions client_options{.host = "server.test", .peer = "10.0.0.1:55671"};
  ServerHandshakeOptions server_options{.peer = "10.0.0.2:40000"};
  PemBundle client_bundle = TestPki::get().client;
  PemBundle server_bundle = TestPki::get().server;
  End client;
  End server;

  void run(std::size_t piece = 1 << 20) {
    client.handshake = Handshake::client(load(client_bundle), client_options).value();
    server.handshake = Handshake::server(load(server_bundle), server_options).value();
    while (!client.handshake->output().empty() || !server.handshake->output().empty()) {
      server.take_from(client, piece);
      client.take_from(server, piece);
    }
  }
};

// Sends one record from one end to the other.
void expect_record_passes(const HandshakeResult& from, const HandshakeResult& to) {
  RecordSealer sealer(from.suite, from.tx_secret, from.tx_sequence);
  RecordOpener opener(to.suite, to.rx_secret, to.rx_sequence);
  Bytes text = numbered_bytes(101, 1);
  Bytes record(100 + kRecordOverhead);
  sealer.seal(ContentType::kApplicationData, text.data(), 100, record.data());
  const auto opened = opener.open(record.data(), record.size());
  ASSERT_TRUE(opened);
  text.resize(100);
  EXPECT_EQ(Bytes(opened->data, opened->data + opened->size), text);
}

TEST(Handshake, MutualEndsWithSecretsThatFit) {
  Pair pair;
  pair.run();
  ASSERT_TRUE(pair.client.complete && pair.server.complete);
  const HandshakeResult client = pair.client.handshake->take();
  const HandshakeResult server = pair.server.handshake->take();
  EXPECT_EQ(client.suite, CipherSuite::kAes128Gcm);
  EXPECT_EQ(server.suite, client.suite);
  EXPECT_EQ(client.alpn, "fairlead/1");
  EXPECT_EQ(server.alpn, "fairlead/1");
  EXPECT_EQ(client.group, "X25519");
  EXPECT_EQ(server.group, "X25519");
  ASSERT_TRUE(client.peer_certificate && server.peer_certificate);
  EXPECT_EQ(client.peer_certificate->subject, "server");
  EXPECT_EQ(server.peer_certificate->subject, "client");
  EXPECT_EQ(server.peer_certificate->issuer, "test CA");
  EXPECT_EQ(server.tx_sequence, 0U) << "we send no tickets";
  expect_record_passes(client, server);
  expect_record_passes(server, client);
}

TEST(Handshake, TakesBytesInPiecesOfAnySize) {
  for (const std::size_t piece : {1UL, 2UL, 3UL, 7UL, 100UL, 1000UL}) {
    Pair pair;
    pair.run(piece);
    ASSERT_TRUE(pair.client.complete && pair.server.complete) << piece;
    expect_record_passes(pair.client.handshake->take(), pair.server.handshake->take());
  }
}

TEST(Handshake, AgreesOnEverySuite) {
  for (const CipherSuite suite : kDefaultSuites) {
    Pair pair;
    pair.client_options.suites = {suite};
    pair.run();
    ASSERT_TRUE(pair.client.complete && pair.server.complete) << name_of(suite);
    const HandshakeResult client = pair.client.handshake->take();
    EXPECT_EQ(client.suite, suite);
    expect_record_passes(client, pair.server.handshake->take());
  }
}

TEST(Handshake, TheServersPreferenceDecides) {
  Pair pair;
  pair.server_options.suites = {CipherSuite::kChaCha20Poly1305, CipherSuite::kAes128Gcm};
  pair.run();
  ASSERT_TRUE(pair.client.complete);
  EXPECT_EQ(pair.client.handshake->take().suite, CipherSuite::kChaCha20Poly1305);
}

TEST(Handshake, WorksWithEd25519) {
  const auto ca = make_ca({.common_name = "ed CA", .kind = KeyKind::kEd25519}).value();
  Pair pair;
  pair.server_bundle =
      make_certificate(ca, {.common_name = "s", .hosts = {"server.test"}, .kind = KeyKind::kEd25519}).value();
  pair.client_bundle = make_certificate(ca, {.common_name = "c", .kind = KeyKind::kEd25519}).value();
  pair.run();
  EXPECT_FALSE(pair.client.error) << pair.client.error->message;
  EXPECT_FALSE(pair.server.error) << pair.server.error->message;
  ASSERT_TRUE(pair.client.complete && pair.server.complete);
  expect_record_passes(pair.client.handshake->take(), pair.server.handshake->take());
}

// The simulator counts on it: with Ed25519 each message has the same length each time.
TEST(Handshake, Ed25519FlightsHaveOneLength) {
  const auto ca = make_ca({.common_name = "ed CA", .kind = KeyKind::kEd25519}).value();
  const auto bundle = make_certificate(ca, {.common_name = "s", .hosts = {"s"}, .kind = KeyKind::kEd25519}).value();
  std::optional<std::size_t> length;
  for (int i = 0; i < 8; ++i) {
    const auto client = Handshake::client(load(bundle), {.host = "s"}).value();
    const auto server = Handshake::server(load(bundle), {}).value();
    ASSERT_TRUE(server->feed(client->output()));
    const std::size_t sent = server->output().size();
    EXPECT_EQ(length.value_or(sent), sent);
    length = sent;
  }
}

TEST(Handshake, LeavesWhatComesBehindItToTheRecords) {
  Pair pair;
  pair.client.handshake = Handshake::client(load(pair.client_bundle), pair.client_options).value();
  pair.server.handshake = Handshake::server(load(pair.server_bundle), pair.server_options).value();
  pair.server.take_from(pair.client, 1 << 20);
  pair.client.take_from(pair.server, 1 << 20);
  ASSERT_TRUE(pair.client.complete);
  Bytes last_flight = pair.client.handshake->output();
  const HandshakeResult client = pair.client.handshake->take();
  RecordSealer sealer(client.suite, client.tx_secret, client.tx_sequence);
  // More than a handshake may take in: the limit is not about what belongs to the records.
  Bytes text(kPlaintextMax + 1, 'x');
  Bytes record(kPlaintextMax + kRecordOverhead);
  Bytes behind;
  for (int i = 0; i < 20; ++i) {
    sealer.seal(ContentType::kApplicationData, text.data(), kPlaintextMax, record.data());
    behind.insert(behind.end(), record.begin(), record.end());
  }
  last_flight.insert(last_flight.end(), behind.begin(), behind.end());
  ASSERT_EQ(pair.server.handshake->feed(last_flight).value(), Progress::kComplete);
  const HandshakeResult server = pair.server.handshake->take();
  ASSERT_EQ(server.leftover, behind);
  RecordOpener opener(server.suite, server.rx_secret, server.rx_sequence);
  EXPECT_TRUE(opener.open(behind.data(), record.size()));
}

TEST(Handshake, VerifiesTheHost) {
  for (const char* host : {"server.test", "SERVER.test", "a.wild.test", "127.0.0.1", "::1", "0:0::1"}) {
    Pair pair;
    pair.client_options.host = host;
    pair.run();
    EXPECT_TRUE(pair.client.complete) << host << ": " << pair.client.error->message;
  }
  for (const char* host : {"other.test", "wild.test", "127.0.0.2", "::2", "server"}) {
    Pair pair;
    pair.client_options.host = host;
    pair.run();
    ASSERT_TRUE(pair.client.error) << host;
    EXPECT_EQ(pair.client.error->code, ErrorCode::kTlsName);
    EXPECT_EQ(pair.client.error->message,
              "certificate of 10.0.0.1:55671 is not valid for host '" + std::string(host) +
                  "' (it names: " + pair.client.error->message.substr(pair.client.error->message.find("names: ") + 7));
    // The server hears of it by an alert, and has not seen the client's certificate.
    ASSERT_TRUE(pair.server.error) << host;
    EXPECT_EQ(pair.server.error->code, ErrorCode::kTlsRefused);
    EXPECT_NE(pair.server.error->message.find("bad_certificate"), std::string::npos) << pair.server.error->message;
  }
}

TEST(Handshake, NamesWhatTheCertificateIsFor) {
  Pair pair;
  pair.server_bundle = TestPki::get().issue({.common_name = "x", .hosts = {"a", "10.0.0.2"}});
  pair.client_options.host = "x";
  pair.run();
  ASSERT_TRUE(pair.client.error);
  EXPECT_EQ(pair.client.error->message,
            "certificate of 10.0.0.1:55671 is not valid for host 'x' (it names: a, 10.0.0.2)");
}

TEST(Handshake, RefusesAServerOfAnotherCa) {
  const auto other = make_ca({.common_name = "other CA"}).value();
  Pair pair;
  pair.server_bundle = make_certificate(other, {.common_name = "server", .hosts = {"server.test"}}).value();
  pair.run();
  ASSERT_TRUE(pair.client.error);
  EXPECT_EQ(pair.client.error->code, ErrorCode::kTlsUntrusted);
  EXPECT_EQ(pair.client.error->message,
            "certificate of 10.0.0.1:55671 is signed by an unknown CA ('other CA'; ours is 'test CA')");
  ASSERT_TRUE(pair.server.error);
  EXPECT_EQ(pair.server.error->code, ErrorCode::kTlsRefused);
  EXPECT_EQ(pair.server.error->message, "client 10.0.0.2:40000 refused our certificate: unknown_ca (alert 48)");
}

// A CA that was made anew under its old name.
TEST(Handshake, RefusesAServerOfACaWithTheSameName) {
  const auto other = make_ca({.common_name = "test CA"}).value();
  Pair pair;
  pair.server_bundle = make_certificate(other, {.common_name = "server", .hosts = {"server.test"}}).value();
  pair.run();
  ASSERT_TRUE(pair.client.error);
  EXPECT_EQ(pair.client.error->code, ErrorCode::kTlsUntrusted) << pair.client.error->message;
}

TEST(Handshake, RefusesAClientOfAnotherCa) {
  const auto other = make_ca({.common_name = "other CA"}).value();
  PemBundle client = make_certificate(other, {.common_name = "client"}).value();
  client.ca = TestPki::get().ca.cert;
  for (const bool allow_anonymous : {false, true}) {
    Pair pair;
    pair.client_bundle = client;
    pair.server_options.allow_anonymous = allow_anonymous;
    pair.run();
    EXPECT_TRUE(pair.client.complete) << "in TLS 1.3 a client is ready before the server has seen its certificate";
    ASSERT_TRUE(pair.server.error);
    EXPECT_EQ(pair.server.error->code, ErrorCode::kTlsUntrusted);
    EXPECT_EQ(pair.server.error->message,
              "certificate of 10.0.0.2:40000 is signed by an unknown CA ('other CA'; ours is 'test CA')");
  }
}

// The alert about it is the first record that the client gets.
TEST(Handshake, TheRefusedClientHearsOfItByARecord) {
  Pair pair;
  pair.client_options.present_certificate = false;
  pair.client.handshake = Handshake::client(load(pair.client_bundle), pair.client_options).value();
  pair.server.handshake = Handshake::server(load(pair.server_bundle), pair.server_options).value();
  pair.server.take_from(pair.client, 1 << 20);
  pair.client.take_from(pair.server, 1 << 20);
  ASSERT_TRUE(pair.client.complete);
  pair.server.take_from(pair.client, 1 << 20);
  ASSERT_TRUE(pair.server.error);
  EXPECT_EQ(pair.server.error->code, ErrorCode::kTlsNoCertificate);
  EXPECT_EQ(pair.server.error->message, "client 10.0.0.2:40000 presented no certificate");

  const HandshakeResult client = pair.client.handshake->take();
  Bytes& record = pair.server.handshake->output();
  RecordOpener opener(client.suite, client.rx_secret, client.rx_sequence);
  ASSERT_EQ(RecordOpener::peek(record.data(), record.size()), record.size());
  const auto opened = opener.open(record.data(), record.size());
  ASSERT_TRUE(opened);
  ASSERT_EQ(opened->type, ContentType::kAlert);
  const auto alert = PostHandshake::alert(opened->data, opened->size);
  ASSERT_TRUE(alert);
  EXPECT_EQ(error_of_alert(alert->description, "peer").message,
            "peer demands a client certificate, and we presented none: certificate_required (alert 116)");
}

TEST(Handshake, AnAnonymousClientMayBeAllowed) {
  Pair pair;
  pair.client_options.present_certificate = false;
  pair.server_options.allow_anonymous = true;
  pair.run();
  ASSERT_TRUE(pair.client.complete && pair.server.complete);
  EXPECT_FALSE(pair.server.handshake->take().peer_certificate);
}

TEST(Handshake, AClientWithoutACertificateIsAnonymous) {
  Pair pair;
  pair.client_bundle = {TestPki::get().ca.cert, "", ""};
  pair.run();
  ASSERT_TRUE(pair.server.error);
  EXPECT_EQ(pair.server.error->code, ErrorCode::kTlsNoCertificate);
}

TEST(Handshake, AnAllowedAnonymousClientMayAuthenticateAllTheSame) {
  Pair pair;
  pair.server_options.allow_anonymous = true;
  pair.run();
  ASSERT_TRUE(pair.server.complete);
  EXPECT_EQ(pair.server.handshake->take().peer_certificate->subject, "client");
}

TEST(Handshake, DemandsACommonProtocol) {
  Pair pair;
  pair.client_options.alpn = "h2";
  pair.run();
  ASSERT_TRUE(pair.server.error);
  EXPECT_EQ(pair.server.error->message, "no common protocol: client 10.0.0.2:40000 offers no ALPN fairlead/1");
  ASSERT_TRUE(pair.client.error);
  EXPECT_NE(pair.client.error->message.find("no_application_protocol"), std::string::npos)
      << pair.client.error->message;
}

TEST(Handshake, DemandsACommonSuite) {
  Pair pair;
  pair.client_options.suites = {CipherSuite::kAes256Gcm};
  pair.server_options.suites = {CipherSuite::kAes128Gcm};
  pair.run();
  ASSERT_TRUE(pair.server.error);
  EXPECT_EQ(pair.server.error->message, "no cipher suite in common with client 10.0.0.2:40000");
  ASSERT_TRUE(pair.client.error);
}

Error error_of_server_fed_with(std::string_view text) {
  const auto server = Handshake::server(load(TestPki::get().server), {.peer = "10.0.0.2:40000"}).value();
  const Bytes bytes(text.begin(), text.end());
  const auto progress = server->feed(bytes);
  EXPECT_FALSE(progress);
  return progress ? Error{ErrorCode::kInvalid, ""} : progress.error();
}

TEST(Handshake, TellsPlainTextFromTls) {
  const Error http = error_of_server_fed_with("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(http.code, ErrorCode::kTlsNotTls);
  EXPECT_EQ(http.message, "client 10.0.0.2:40000 speaks plain text (got 'GET / HTTP/1.1')");
  EXPECT_EQ(error_of_server_fed_with("S").code, ErrorCode::kTlsNotTls);
  EXPECT_EQ(error_of_server_fed_with("\x16\x02").code, ErrorCode::kTlsNotTls);

  const auto client = Handshake::client(load(TestPki::get().client), {.host = "x", .peer = "10.0.0.1:22"}).value();
  const std::string banner = "SSH-2.0-OpenSSH_9.2\r\n";
  const auto progress = client->feed(Bytes(banner.begin(), banner.end()));
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().code, ErrorCode::kTlsNotTls);
  EXPECT_EQ(progress.error().message, "peer at 10.0.0.1:22 does not speak TLS (received 'SSH-2.0-OpenSSH_9.2')");
}

TEST(Handshake, SaysWhenThePeerGoesAway) {
  const auto client = Handshake::client(load(TestPki::get().client), {.host = "x", .peer = "10.0.0.1:22"}).value();
  EXPECT_EQ(client->closed_by_peer().code, ErrorCode::kReset);
  EXPECT_EQ(client->closed_by_peer().message,
            "peer at 10.0.0.1:22 closed the connection before the TLS handshake: it may not speak TLS");
}

TEST(Handshake, AServerNeedsACertificate) {
  const auto server = Handshake::server(load({TestPki::get().ca.cert, "", ""}), {});
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, ErrorCode::kCredentials);
}

// A peer that sends and sends and comes to no end: change_cipher_spec records, which a TLS 1.3 server passes over, and
// a message whose header announces 16 MiB.
TEST(Handshake, BoundsWhatItTakesIn) {
  Bytes endless_message = {22, 3, 1, 0x20, 0, 1, 0xff, 0xff, 0xff};
  endless_message.resize(kRecordHeader + 0x2000);
  Bytes change_cipher_specs;
  for (int i = 0; i < 1000; ++i) {
    const Bytes record = {20, 3, 3, 0, 1, 1};
    change_cipher_specs.insert(change_cipher_specs.end(), record.begin(), record.end());
  }
  for (Bytes piece : {endless_message, change_cipher_specs}) {
    const auto client = Handshake::client(load(TestPki::get().client), {.host = "x"}).value();
    const auto server = Handshake::server(load(TestPki::get().server), {.peer = "p"}).value();
    Result<Progress> progress = Progress::kNeedMore;
    if (piece[0] == 20) progress = server->feed(client->output());
    std::size_t fed = 0;
    while (progress && fed < 64 * Handshake::kReceivedMax) {
      progress = server->feed(piece);
      fed += piece.size();
      if (piece[0] == 22) piece[5] = 0;  // the message goes on
    }
    ASSERT_FALSE(progress);
    EXPECT_LE(fed, Handshake::kReceivedMax + 2 * piece.size()) << progress.error().message;
  }
}

TEST(Handshake, ThreadsShareCredentials) {
  const auto server_credentials = load(TestPki::get().server);
  const auto client_credentials = load(TestPki::get().client);
  std::atomic<int> complete = 0;
  const auto work = [&] {
    for (int i = 0; i < 5; ++i) {
      End client;
      End server;
      client.handshake = Handshake::client(client_credentials, {.host = "server.test"}).value();
      server.handshake = Handshake::server(server_credentials, {}).value();
      while (!client.handshake->output().empty() || !server.handshake->output().empty()) {
        server.take_from(client, 1 << 20);
        client.take_from(server, 1 << 20);
      }
      if (client.complete && server.complete) ++complete;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back(work);
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(complete, 20);
}

// Whatever a peer changes on the way, neither end completes, crashes or hangs.
TEST(Handshake, SurvivesDamage) {
  std::size_t refused = 0;
  for (std::size_t i = 0; i < 150; ++i) {
    Pair pair;
    pair.client.handshake = Handshake::client(load(pair.client_bundle), pair.client_options).value();
    pair.server.handshake = Handshake::server(load(pair.server_bundle), pair.server_options).value();
    Bytes& hello = pair.client.handshake->output();
    const auto damage = [i](Bytes& bytes) {
      // The first record's header is not protected: its version says nothing.
      bytes[kRecordHeader + (i * 13) % (bytes.size() - kRecordHeader)] ^= static_cast<std::uint8_t>(1U << (i % 8));
    };
    if (i % 2 == 0) damage(hello);
    pair.server.take_from(pair.client, 1 << 20);
    Bytes& flight = pair.server.handshake->output();
    if (i % 2 == 1 && !flight.empty()) damage(flight);
    pair.client.take_from(pair.server, 1 << 20);
    if (pair.client.error || pair.server.error || !pair.client.complete) ++refused;
    EXPECT_FALSE(pair.client.complete) << i;
  }
  EXPECT_EQ(refused, 150U);
}

}  // namespace
}  // namespace fairlead
