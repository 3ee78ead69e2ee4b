// FieldReader: takes the fields of one YAML map, by name and type, and says what is wrong with them. A field that
// nobody asked for is an error when the reader finishes, with the name that was probably meant. Lives for one map.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "router/site/resources.h"
#include "router/site/yaml.h"
#include "transport/base/time.h"

namespace fairlead {

// What all readers of one document share.
struct DocumentContext {
  std::string label;  // "Link west"
  Source& source;
  Diagnostics& diagnostics;
};

class FieldReader {
 public:
  // `path` is that of the map itself ("spec"); `map` must be a map.
  FieldReader(DocumentContext& context, const YamlNode& map, std::string path);

  // Absent and null fields read as nothing. A field of the wrong type is reported and reads as nothing.
  std::optional<std::string> text(std::string_view name);
  std::optional<bool> flag(std::string_view name);
  std::optional<std::uint32_t> number(std::string_view name, std::uint32_t min, std::uint32_t max);
  std::optional<std::uint16_t> port(std::string_view name);  // a number or a quoted number
  std::optional<Duration> duration(std::string_view name, Duration min, Duration max);
  std::optional<std::string> choice(std::string_view name, std::initializer_list<std::string_view> allowed);
  std::vector<std::string> text_list(std::string_view name);
  const YamlNode* map(std::string_view name);
  const YamlNode* list(std::string_view name);

  // As above; that it is absent is an error, said once.
  std::string required_text(std::string_view name);
  std::uint16_t required_port(std::string_view name);

  void ignore(std::string_view name);
  // Present: a warning "… is ignored: <why>".
  void ignore_with_warning(std::string_view name, std::string_view why);
  // Present: an error.
  void refuse(std::string_view name, std::string_view why);

  bool has(std::string_view name) const;
  std::string path_of(std::string_view name) const;
  void error(std::string_view name, std::string message);
  void missing(std::string_view name, std::string_view what);

  // Reports the fields that were not asked for. Call last.
  void finish();

 private:
  const YamlNode* take(std::string_view name);
  const YamlNode* scalar(std::string_view name, std::string_view what);

  DocumentContext& context_;
  const YamlNode& map_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
};

// As Skupper writes durations: "400ms", "1m30s"; units are ms, s, m, h. Nothing if it is none, or beyond 1,000 hours.
std::optional<Duration> parse_duration(std::string_view text);
// The shortest text that parses to it, of a whole number of milliseconds.
std::string to_string(Duration duration);

// Decimal digits without sign, spaces or leading zeros, within the bounds.
std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t min, std::uint32_t max);

}  // namespace fairlead
