// The part of TLS 1.3's key schedule that goes on after the handshake: keys from a traffic secret (RFC 8446 7.3) and
// the next generation of it (7.2). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "transport/tls/cipher.h"
#include "transport/tls/secret.h"

namespace fairlead {

struct TrafficKeys {
  std::array<std::uint8_t, kKeySizeMax> key{};  // the first key_size(suite) bytes count
  std::array<std::uint8_t, kNonceSize> iv{};

  TrafficKeys() noexcept = default;
  TrafficKeys(const TrafficKeys&) noexcept = default;
  TrafficKeys& operator=(const TrafficKeys&) noexcept = default;
  ~TrafficKeys() {
    wipe(key.data(), key.size());
    wipe(iv.data(), iv.size());
  }
};

TrafficKeys derive_keys(CipherSuite suite, const TrafficSecret& secret) noexcept;
TrafficSecret next_generation(CipherSuite suite, const TrafficSecret& secret) noexcept;

// HKDF-Expand-Label(secret, label, "", out.size()) with the suite's hash; out.size() is at most twice the hash's size.
void expand_label(CipherSuite suite, std::span<const std::uint8_t> secret, std::string_view label,
                  std::span<std::uint8_t> out) noexcept;

}  // namespace fairlead
