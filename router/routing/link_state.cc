#include "router/routing/link_state.h"

#include <algorithm>

namespace fairlead {
namespace {

constexpr const char* kBadKeys = "cut short, or with keys that are empty, repeated or not in order";

// FNV-1a, mixed at the end.
std::uint64_t digest_of(std::span<const std::uint8_t> bytes) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::uint8_t byte : bytes)
    hash = (hash ^ byte) * 0x100000001b3;
  return hash ^ hash >> 32;
}

void put_content(ByteWriter& writer, const LinkState& state) {
  writer.put_text(state.site_id);
  writer.put_text(state.site_name);
  writer.put(static_cast<std::uint32_t>(state.neighbours.size()));
  for (const Adjacency& neighbour : state.neighbours) {
    writer.put(value_of(neighbour.router));
    writer.put(neighbour.cost);
  }
  put_keys(writer, state.keys);
  writer.put(static_cast<std::uint32_t>(state.edges.size()));
  for (const EdgeSite& edge : state.edges) {
    writer.put_text(edge.site_id);
    writer.put_text(edge.site_name);
    writer.put(edge.cost);
    put_keys(writer, edge.keys);
  }
}

Result<void> take_content(ByteReader& reader, LinkState& state) {
  const auto malformed = [](const char* what) {
    return fail(ErrorCode::kProtocol, std::string("a link state ") + what);
  };
  state.site_id = reader.take_text();
  state.site_name = reader.take_text();
  const std::uint32_t neighbours = reader.take<std::uint32_t>();
  for (std::uint32_t i = 0; i < neighbours && reader.ok(); ++i) {
    const Adjacency neighbour{RouterId{reader.take<std::uint64_t>()}, reader.take<std::uint32_t>()};
    if (!reader.ok()) break;
    if (neighbour.cost == 0) return malformed("with a cost of 0");
    if (!state.neighbours.empty() && state.neighbours.back().router >= neighbour.router) {
      return malformed("whose neighbours are not in order");
    }
    state.neighbours.push_back(neighbour);
  }
  if (!take_keys(reader, state.keys)) return malformed(kBadKeys);
  const std::uint32_t edges = reader.take<std::uint32_t>();
  for (std::uint32_t i = 0; i < edges && reader.ok(); ++i) {
    EdgeSite edge;
    edge.site_id = reader.take_text();
    edge.site_name = reader.take_text();
    edge.cost = reader.take<std::uint32_t>();
    if (!take_keys(reader, edge.keys)) return malformed(kBadKeys);
    if (edge.cost == 0 || edge.site_id.empty()) return malformed("with an edge site of no id or no cost");
    if (!state.edges.empty() && state.edges.back().site_id >= edge.site_id) {
      return malformed("whose edge sites are not in order");
    }
    state.edges.push_back(std::move(edge));
  }
  if (!reader.ok()) return malformed("cut short");
  if (state.site_id.empty()) return malformed("of no site");
  return {};
}

}  // namespace

bool LinkState::same_content(const LinkState& other) const {
  return site_id == other.site_id && site_name == other.site_name && neighbours == other.neighbours &&
         keys == other.keys && edges == other.edges;
}

void put_keys(ByteWriter& writer, const ServedKeys& keys) {
  const std::size_t count_at = writer.reserve<std::uint16_t>();
  std::uint16_t count = 0;
  for (const auto& [key, instances] : keys) {
    if (count == UINT16_MAX) break;
    if (key.empty() || key.size() > kRoutingKeySizeMax || instances == 0) continue;  // OPEN could not name it either
    ++count;
    writer.put(instances);
    writer.put_text(key);
  }
  writer.fill(count_at, count);
}

bool take_keys(ByteReader& reader, ServedKeys& keys) {
  const std::uint16_t count = reader.take<std::uint16_t>();
  for (std::uint16_t i = 0; i < count && reader.ok(); ++i) {
    const std::uint16_t instances = reader.take<std::uint16_t>();
    std::string key = reader.take_text();
    if (!reader.ok() || key.empty() || instances == 0) return false;
    if (!keys.empty() && keys.rbegin()->first >= key) return false;
    keys.emplace_hint(keys.end(), std::move(key), instances);
  }
  return reader.ok();
}

void put_link_state(ByteWriter& writer, const LinkState& state) {
  writer.put(state.version.incarnation);
  writer.put(state.version.sequence);
  put_content(writer, state);
}

std::uint64_t digest_of(const LinkState& state) {
  ByteWriter writer;
  put_content(writer, state);
  return digest_of(writer.bytes());
}

Result<LinkState> take_link_state(ByteReader& reader) {
  LinkState state;
  state.version.incarnation = reader.take<std::uint64_t>();
  state.version.sequence = reader.take<std::uint64_t>();
  const std::span<const std::uint8_t> content = reader.rest();
  if (auto taken = take_content(reader, state); !taken) return std::unexpected(taken.error());
  state.version.digest = digest_of(content.first(content.size() - reader.rest().size()));
  return state;
}

}  // namespace fairlead
