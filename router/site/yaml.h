// Strict reading of YAML (and of JSON, which is YAML): a tree of scalars-as-text with positions. What yaml-cpp lets
// pass and a configuration must not contain is an error here: a key written twice, an anchor or alias, a tag, a
// document nested or grown beyond its bounds. Nothing is interpreted: `no`, `0123` and `1e3` stay the text they are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "router/site/diagnostics.h"

namespace fairlead {

struct YamlEntry;

struct YamlNode {
  enum class Kind : std::uint8_t { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  std::string text;  // of a scalar
  bool quoted =
      false;  // the scalar was written with quotes or as a block, so it is text even if it looks like a number
  Position position;
  std::vector<YamlNode> items;     // of a sequence
  std::vector<YamlEntry> entries;  // of a map, in the order of the file

  const YamlNode* find(std::string_view key) const;  // in a map; null if absent
};

struct YamlEntry {
  std::string key;
  Position position;
  YamlNode value;
};

// "a map", "a list", "nothing", or the scalar itself, quoted: for "found …".
std::string describe(const YamlNode& node);

struct YamlLimits {
  static constexpr std::size_t kFileBytesMax = 4 * 1024 * 1024;
  static constexpr int kDepthMax = 32;
  static constexpr std::size_t kNodesMax = 100'000;  // of a file

  std::size_t bytes_max = kFileBytesMax;
  std::size_t nodes_max = kNodesMax;
};

// All documents of a file; empty ones are left out. Several errors of one file are reported together where the parser
// can go on; after a syntax error it cannot, the documents before it are returned, and the diagnostics are noted as
// incomplete.
std::vector<YamlNode> parse_yaml(std::string_view text, const std::string& file, Diagnostics& diagnostics,
                                 YamlLimits limits = {});

}  // namespace fairlead
