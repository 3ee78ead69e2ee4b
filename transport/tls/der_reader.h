// DerReader: the elements of a DER sequence (X.690), one by one, out of bytes that nobody has checked. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace fairlead {

class DerReader {
 public:
  explicit DerReader(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}

  struct Element {
    std::uint8_t tag = 0;
    std::span<const std::uint8_t> whole;  // with tag and length
    std::span<const std::uint8_t> content;
  };

  // Nothing at the end, and at what is no DER.
  std::optional<Element> next() noexcept {
    if (bytes_.size() < 2) return std::nullopt;
    std::size_t header = 2;
    std::size_t length = bytes_[1];
    if (length >= 0x80) {
      const std::size_t count = length & 0x7f;
      if (count == 0 || count > 4 || bytes_.size() < 2 + count) return std::nullopt;
      length = 0;
      for (std::size_t i = 0; i < count; ++i)
        length = length << 8 | bytes_[2 + i];
      header += count;
    }
    if (bytes_.size() - header < length) return std::nullopt;
    const Element element{bytes_[0], bytes_.first(header + length), bytes_.subspan(header, length)};
    bytes_ = bytes_.subspan(header + length);
    return element;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace fairlead
