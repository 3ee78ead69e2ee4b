#include "tests/unit/tls_fixtures.h"

#include <cstdio>
#include <cstdlib>

namespace fairlead {

namespace {

template <class T>
T must(Result<T> result, const char* what) {
  if (!result) {
    std::fprintf(stderr, "%s: %s\n", what, result.error().message.c_str());
    std::abort();
  }
  return std::move(*result);
}

int hex_value(char digit) {
  return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

}  // namespace

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  int high = -1;
  for (const char digit : text) {
    if (digit == ' ') continue;
    if (high < 0) {
      high = hex_value(digit);
    } else {
      bytes.push_back(static_cast<std::uint8_t>(high << 4 | hex_value(digit)));
      high = -1;
    }
  }
  return bytes;
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Bytes numbered_bytes(std::size_t size, std::uint8_t seed) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<std::uint8_t>(i * 7 + (i >> 8) + seed * 31u + 1);
  return bytes;
}

const TestPki& TestPki::get() {
  static const TestPki pki = [] {
    TestPki made;
    made.ca = must(make_ca({.common_name = "test CA"}), "making a CA");
    made.server = made.issue({.common_name = "server", .hosts = {"server.test", "*.wild.test", "127.0.0.1", "::1"}});
    made.client = made.issue({.common_name = "client", .hosts = {"client.test"}});
    return made;
  }();
  return pki;
}

PemBundle TestPki::issue(const CertificateRequest& request) const {
  return must(make_certificate(ca, request), "making a certificate");
}

std::shared_ptr<const Credentials> load(const PemBundle& bundle) {
  return must(Credentials::load(bundle), "loading credentials");
}

}  // namespace fairlead
