// What an unauthenticated peer sends before there are keys: bytes in any pieces to either side of a handshake, a real
// handshake in which the bytes of one side are changed on their way, and DER as a certificate.
//
// First byte of the input: 0 a certificate; 1 to a server, 2 to a server that takes anonymous clients, 3 to a client,
// as pieces: length (1), as many bytes; otherwise changes of a real handshake: place (2), what it is xored with (1),
// from which side (bit 7 of the first byte).
#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "tests/fuzz/fuzz_target.h"
#include "transport/tls/certificates.h"
#include "transport/tls/handshake.h"

namespace fairlead {
namespace {

struct Pki {
  std::shared_ptr<const Credentials> server;
  std::shared_ptr<const Credentials> client;

  static const Pki& get() {
    static const Pki pki = [] {
      const auto ca = make_ca({.common_name = "fuzzed CA"});
      expect(ca.has_value());
      const auto load = [&](const char* name) {
        const auto bundle = make_certificate(*ca, {.common_name = name, .hosts = {name}});
        expect(bundle.has_value());
        return Credentials::load(*bundle).value();
      };
      return Pki{load("server.test"), load("client.test")};
    }();
    return pki;
  }
};

std::unique_ptr<Handshake> server(bool allow_anonymous) {
  return Handshake::server(Pki::get().server, {.peer = "fuzzer", .allow_anonymous = allow_anonymous}).value();
}

std::unique_ptr<Handshake> client() {
  return Handshake::client(Pki::get().client, {.host = "server.test", .peer = "fuzzer"}).value();
}

void feed_certificate(std::span<const std::uint8_t> der) {
  const auto info = parse_certificate(der);
  if (!info) return expect(!info.error().message.empty());
  expect(is_harmless(info->subject));
  expect(is_harmless(info->issuer));
  expect(is_harmless(info->names()));
  expect(is_harmless(why_not_valid_now(*info)));
  expect(info->fingerprint.size() == 64);
  static_cast<void>(is_valid_for_host(*info, "server.test"));
  static_cast<void>(is_valid_for_host(*info, "10.0.0.2"));
}

// False ends the handshake.
bool feed(Handshake& handshake, std::span<const std::uint8_t> bytes) {
  const auto progress = handshake.feed(bytes);
  if (progress) return *progress == Handshake::Progress::kNeedMore;
  expect(!progress.error().message.empty());
  expect(is_harmless(progress.error().message));
  return false;
}

void feed_pieces(Handshake& handshake, std::span<const std::uint8_t> input) {
  while (!input.empty()) {
    const std::size_t size = std::min<std::size_t>(input[0], input.size() - 1);
    const Bytes piece(input.begin() + 1, input.begin() + 1 + static_cast<std::ptrdiff_t>(size));
    input = input.subspan(1 + size);
    if (!feed(handshake, piece)) return;
    handshake.output().clear();
  }
  expect(!handshake.closed_by_peer().message.empty());
}

// Until one of them has enough, or both have what they want.
void change_handshake(bool from_server, std::span<const std::uint8_t> changes) {
  const auto dialler = client();
  const auto acceptor = server(false);
  std::size_t place = 0;
  for (bool to_server = true;; to_server = !to_server) {
    Bytes flight = std::exchange((to_server ? dialler : acceptor)->output(), {});
    if (to_server != from_server) {
      for (auto rest = changes; rest.size() >= 3; rest = rest.subspan(3)) {
        const std::size_t at = static_cast<std::size_t>(rest[0]) << 8 | rest[1];
        if (at >= place && at - place < flight.size()) flight[at - place] ^= rest[2];
      }
      place += flight.size();
    }
    if (flight.empty() || !feed(to_server ? *acceptor : *dialler, flight)) {
      if (to_server || dialler->output().empty()) return;
    }
  }
}

}  // namespace

void fuzz(std::span<const std::uint8_t> input) {
  const auto rest = input.subspan(1);
  switch (input[0]) {
    case 0: return feed_certificate(rest);
    case 1: return feed_pieces(*server(false), rest);
    case 2: return feed_pieces(*server(true), rest);
    case 3: return feed_pieces(*client(), rest);
    default: return change_handshake((input[0] & 0x80) != 0, rest);
  }
}

}  // namespace fairlead
