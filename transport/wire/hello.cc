#include "transport/wire/hello.h"

#include <algorithm>

#include "transport/wire/frame.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kMagic = 0x464c4431;  // "FLD1"
constexpr std::uint32_t kWindowMin = 16 * 1024;

bool printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

std::vector<std::uint8_t> Hello::encode() const {
  const std::size_t id_size = std::min<std::size_t>(site_id.size(), 255);
  const std::size_t name_size = std::min<std::size_t>(site_name.size(), 255);
  const std::size_t size = kFixedSize + 2 + id_size + name_size;
  std::vector<std::uint8_t> frame(kFrameHeaderSize + size);
  encode_header({static_cast<std::uint16_t>(size), FrameType::kHello, 0, 0}, frame.data());
  std::uint8_t* at = frame.data() + kFrameHeaderSize;
  wire::store<std::uint32_t>(at, kMagic);
  at[4] = version_min;
  at[5] = version_max;
  wire::store<std::uint16_t>(at + 6, session_index);
  wire::store<std::uint16_t>(at + 8, shards);
  wire::store<std::uint16_t>(at + 10, flags);
  wire::store<std::uint32_t>(at + 12, cost);
  wire::store<std::uint32_t>(at + 16, initial_window_bytes);
  wire::store<std::uint32_t>(at + 20, streams_max);
  wire::store<std::uint64_t>(at + 24, link_id);
  wire::store<std::uint64_t>(at + 32, incarnation);
  wire::store<std::uint64_t>(at + 40, features);
  at += kFixedSize;
  *at++ = static_cast<std::uint8_t>(id_size);
  at = std::copy_n(site_id.data(), id_size, at);
  *at++ = static_cast<std::uint8_t>(name_size);
  std::copy_n(site_name.data(), name_size, at);
  return frame;
}

Result<Hello> Hello::decode(std::span<const std::uint8_t> payload) {
  const std::uint8_t* at = payload.data();
  if (payload.size() < kFixedSize + 2 || wire::load<std::uint32_t>(at) != kMagic) {
    return fail(ErrorCode::kProtocol, "the peer's first frame is no HELLO of fairlead");
  }
  Hello hello;
  hello.version_min = at[4];
  hello.version_max = at[5];
  if (hello.version_min > kVersion || hello.version_max < kVersion) {
    return fail(ErrorCode::kVersion, "the peer speaks protocol versions " + std::to_string(hello.version_min) + " to " +
                                         std::to_string(hello.version_max) + ", this site speaks " +
                                         std::to_string(kVersion) + "; upgrade the older of the two");
  }
  hello.session_index = wire::load<std::uint16_t>(at + 6);
  hello.shards = wire::load<std::uint16_t>(at + 8);
  hello.flags = wire::load<std::uint16_t>(at + 10);
  hello.cost = wire::load<std::uint32_t>(at + 12);
  hello.initial_window_bytes = wire::load<std::uint32_t>(at + 16);
  hello.streams_max = wire::load<std::uint32_t>(at + 20);
  hello.link_id = wire::load<std::uint64_t>(at + 24);
  hello.incarnation = wire::load<std::uint64_t>(at + 32);
  hello.features = wire::load<std::uint64_t>(at + 40);

  std::size_t offset = kFixedSize;
  for (std::string* text : {&hello.site_id, &hello.site_name}) {
    if (offset >= payload.size() || offset + 1 + payload[offset] > payload.size()) {
      return fail(ErrorCode::kProtocol, "the peer's HELLO is cut short");
    }
    text->assign(reinterpret_cast<const char*>(at + offset + 1), payload[offset]);
    offset += 1 + std::size_t{payload[offset]};
  }
  if (hello.site_id.empty() || !printable(hello.site_id) || !printable(hello.site_name)) {
    return fail(ErrorCode::kProtocol, "the peer's HELLO has no printable site id and name");
  }
  if (hello.shards == 0 || hello.shards > kShardsMax || hello.session_index >= kShardsMax || hello.cost == 0 ||
      hello.cost > INT32_MAX || hello.initial_window_bytes < kWindowMin || hello.streams_max == 0) {
    return fail(ErrorCode::kProtocol, "the peer's HELLO has a value out of range");
  }
  return hello;
}

}  // namespace fairlead
