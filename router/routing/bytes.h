// ByteWriter and ByteReader: how router messages are put together and taken apart. Integers in network byte order,
// texts with a length byte in front. Pure.
//
// A reader that meets the end of its bytes says so once, in ok(), and gives zeros and empty texts from then on: whoever
// parses checks once, before he believes anything.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transport/wire/frame.h"

namespace fairlead {

class ByteWriter {
 public:
  template <class T>
  void put(T value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof value);
    wire::store<T>(bytes_.data() + at, value);
  }

  // At most 255 bytes of it.
  void put_text(std::string_view text) {
    text = text.substr(0, UINT8_MAX);
    put(static_cast<std::uint8_t>(text.size()));
    bytes_.insert(bytes_.end(), text.begin(), text.end());
  }

  void put_bytes(std::span<const std::uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

  // A number whose value is known only when what follows has been written.
  template <class T>
  std::size_t reserve() {
    const std::size_t at = bytes_.size();
    put(T{});
    return at;
  }

  template <class T>
  void fill(std::size_t at, T value) {
    wire::store<T>(bytes_.data() + at, value);
  }

  std::size_t size() const noexcept { return bytes_.size(); }

  const std::vector<std::uint8_t>& bytes() const noexcept { return bytes_; }

  std::vector<std::uint8_t> take() noexcept { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}

  template <class T>
  T take() noexcept {
    if (!need(sizeof(T))) return T{};
    const T value = wire::load<T>(bytes_.data());
    bytes_ = bytes_.subspan(sizeof(T));
    return value;
  }

  std::string take_text() {
    const std::size_t size = take<std::uint8_t>();
    const auto bytes = take_bytes(size);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::span<const std::uint8_t> take_bytes(std::size_t size) noexcept {
    if (!need(size)) return {};
    const auto front = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return front;
  }

  // What was not taken yet.
  std::span<const std::uint8_t> rest() const noexcept { return bytes_; }

  bool ok() const noexcept { return ok_; }

  bool empty() const noexcept { return bytes_.empty(); }

 private:
  bool need(std::size_t size) noexcept {
    if (bytes_.size() >= size) return true;
    ok_ = false;
    bytes_ = {};
    return false;
  }

  std::span<const std::uint8_t> bytes_;
  bool ok_ = true;
};

}  // namespace fairlead
