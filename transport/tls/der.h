// Writing DER (X.690), as much of it as certificates need. Values are byte strings that are put together from the
// inside to the outside. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::der {

inline constexpr std::uint8_t kBoolean = 0x01;
inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kBitString = 0x03;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kObjectIdentifier = 0x06;
inline constexpr std::uint8_t kUtf8String = 0x0c;
inline constexpr std::uint8_t kUtcTime = 0x17;
inline constexpr std::uint8_t kGeneralizedTime = 0x18;
inline constexpr std::uint8_t kSequence = 0x30;
inline constexpr std::uint8_t kSet = 0x31;

// Tags of context-specific elements: [n] around other elements, and [n] in place of a string's own tag.
constexpr std::uint8_t constructed(unsigned n) noexcept {
  return static_cast<std::uint8_t>(0xa0 | n);
}
constexpr std::uint8_t primitive(unsigned n) noexcept {
  return static_cast<std::uint8_t>(0x80 | n);
}

// Tag, length and value; a value has less than 16 MiB.
std::string element(std::uint8_t tag, std::string_view value);

inline std::string sequence(std::string_view elements) {
  return element(kSequence, elements);
}
inline std::string boolean_true() {
  return element(kBoolean, "\xff");
}
// Of one byte below 128.
inline std::string small_integer(char value) {
  return element(kInteger, {&value, 1});
}

// UTCTime until 2049 and GeneralizedTime from then on, as RFC 5280 4.1.2.5 demands.
std::string time(std::int64_t unix_s);

}  // namespace fairlead::der
