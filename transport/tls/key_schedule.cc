#include "transport/tls/key_schedule.h"

#include "transport/base/check.h"
#include "transport/tls/wolfssl.h"

namespace fairlead {

namespace {

constexpr std::string_view kLabelPrefix = "tls13 ";

// wolfCrypt takes the labels as bytes.
const byte* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const byte*>(text.data());
}

}  // namespace

void expand_label(CipherSuite suite, std::span<const std::uint8_t> secret, std::string_view label,
                  std::span<std::uint8_t> out) noexcept {
  // wolfCrypt hands it to memcpy, which takes no null pointer even for no bytes.
  constexpr byte kNoContext[1] = {};
  const int digest = hash_size(suite) == 48 ? static_cast<int>(WC_SHA384) : static_cast<int>(WC_SHA256);
  CHECK(wc_Tls13_HKDF_Expand_Label(out.data(), static_cast<word32>(out.size()), secret.data(),
                                   static_cast<word32>(secret.size()), bytes_of(kLabelPrefix),
                                   static_cast<word32>(kLabelPrefix.size()), bytes_of(label),
                                   static_cast<word32>(label.size()), kNoContext, 0, digest) == 0);
}

TrafficKeys derive_keys(CipherSuite suite, const TrafficSecret& secret) noexcept {
  CHECK(secret.bytes().size() == hash_size(suite));
  TrafficKeys keys;
  expand_label(suite, secret.bytes(), "key", std::span(keys.key).first(key_size(suite)));
  expand_label(suite, secret.bytes(), "iv", keys.iv);
  return keys;
}

TrafficSecret next_generation(CipherSuite suite, const TrafficSecret& secret) noexcept {
  std::array<std::uint8_t, TrafficSecret::kSizeMax> next;
  const auto bytes = std::span(next).first(hash_size(suite));
  expand_label(suite, secret.bytes(), "traffic upd", bytes);
  const TrafficSecret result(bytes);
  wipe(next.data(), next.size());
  return result;
}

}  // namespace fairlead
