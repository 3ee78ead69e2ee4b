// What the tests of transport/tls share: bytes, and certificates that are made once per test program.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transport/tls/certificates.h"
#include "transport/tls/credentials.h"

namespace fairlead {

using Bytes = std::vector<std::uint8_t>;

Bytes from_hex(std::string_view text);
std::string to_hex(std::span<const std::uint8_t> bytes);
// `size` bytes that differ by `seed` and by place.
Bytes numbered_bytes(std::size_t size, std::uint8_t seed);

// A CA named "test CA", and what it signed.
struct TestPki {
  CertificateAuthority ca;
  PemBundle server;  // for "server.test", "*.wild.test", 127.0.0.1 and ::1
  PemBundle client;  // "client.test"

  static const TestPki& get();
  PemBundle issue(const CertificateRequest& request) const;
};

// Ends the test program if the bundle cannot be loaded.
std::shared_ptr<const Credentials> load(const PemBundle& bundle);

}  // namespace fairlead
