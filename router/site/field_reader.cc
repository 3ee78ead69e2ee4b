#include "router/site/field_reader.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "router/site/names.h"

namespace fairlead {

namespace {

// A map full of unknown fields is one mistake; a message for each would bury the others.
constexpr std::size_t kUnknownFieldsReportedMax = 20;

}  // namespace

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t min, std::uint32_t max) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < min || value > max) return std::nullopt;
  return value;
}

std::optional<Duration> parse_duration(std::string_view text) {
  constexpr Duration kMax = Duration::seconds(3'600'000);
  // Longest names first: "ms" is no "m".
  static constexpr std::pair<std::string_view, Duration> kUnits[] = {{"ms", Duration::milliseconds(1)},
                                                                     {"h", Duration::seconds(3600)},
                                                                     {"m", Duration::seconds(60)},
                                                                     {"s", Duration::seconds(1)}};
  if (text.empty()) return std::nullopt;
  Duration sum;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = parse_number(text.substr(0, digits), 0, 1'000'000'000);
    text.remove_prefix(digits);
    const auto unit = std::ranges::find_if(kUnits, [&](const auto& u) { return text.starts_with(u.first); });
    if (!number || unit == std::end(kUnits)) return std::nullopt;
    text.remove_prefix(unit->first.size());
    if (*number > (kMax - sum).ns / unit->second.ns) return std::nullopt;
    sum = sum + unit->second * *number;
  }
  return sum;
}

std::string to_string(Duration duration) {
  std::int64_t left = duration.milliseconds();
  std::string text;
  for (const auto& [unit, size] : {std::pair{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}) {
    if (left >= size) text += fmt::format("{}{}", left / size, unit);
    left %= size;
  }
  return text.empty() ? "0s" : text;
}

FieldReader::FieldReader(DocumentContext& context, const YamlNode& map, std::string path)
    : context_(context), map_(map), path_(std::move(path)) {}

std::string FieldReader::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

bool FieldReader::has(std::string_view name) const {
  const YamlNode* node = map_.find(name);
  return node != nullptr && node->kind != YamlNode::Kind::kNull;
}

void FieldReader::error(std::string_view name, std::string message) {
  const YamlNode* node = map_.find(name);
  const Position& position = node == nullptr ? map_.position : node->position;
  context_.diagnostics.error(position, fmt::format("{}: {}: {}", context_.label, path_of(name), message));
}

void FieldReader::missing(std::string_view name, std::string_view what) {
  error(name, fmt::format("is missing; needed is {}", what));
}

const YamlNode* FieldReader::take(std::string_view name) {
  known_.emplace(name);
  const YamlNode* node = map_.find(name);
  if (node == nullptr) return nullptr;
  context_.source.fields.insert_or_assign(path_of(name), node->position);
  return node->kind == YamlNode::Kind::kNull ? nullptr : node;
}

const YamlNode* FieldReader::scalar(std::string_view name, std::string_view what) {
  const YamlNode* node = take(name);
  if (node == nullptr || node->kind == YamlNode::Kind::kScalar) return node;
  error(name, fmt::format("found {}; allowed is {}", describe(*node), what));
  return nullptr;
}

std::optional<std::string> FieldReader::text(std::string_view name) {
  const YamlNode* node = scalar(name, "text");
  if (node == nullptr) return std::nullopt;
  return node->text;
}

std::optional<bool> FieldReader::flag(std::string_view name) {
  const YamlNode* node = scalar(name, "true or false");
  if (node == nullptr) return std::nullopt;
  if (!node->quoted && node->text == "true") return true;
  if (!node->quoted && node->text == "false") return false;
  error(name, fmt::format("found {}{}; allowed is true or false, without quotes", describe(*node),
                          node->quoted ? " in quotes" : ""));
  return std::nullopt;
}

std::optional<std::uint32_t> FieldReader::number(std::string_view name, std::uint32_t min, std::uint32_t max) {
  const std::string allowed = fmt::format("a whole number from {} to {}", min, max);
  const YamlNode* node = scalar(name, allowed);
  if (node == nullptr) return std::nullopt;
  const auto value = parse_number(node->text, min, max);
  if (!value || node->quoted) {
    error(name, fmt::format("found {}{}; allowed is {}", describe(*node), node->quoted ? " in quotes" : "", allowed));
    return std::nullopt;
  }
  return value;
}

std::optional<std::uint16_t> FieldReader::port(std::string_view name) {
  constexpr std::uint32_t kPortMax = std::numeric_limits<std::uint16_t>::max();
  const YamlNode* node = scalar(name, "a port from 1 to 65535");
  if (node == nullptr) return std::nullopt;
  // v2alpha1 writes the ports of a Link as text and all others as numbers; nobody can remember which.
  const auto value = parse_number(node->text, 1, kPortMax);
  if (!value) {
    error(name, fmt::format("found {}; allowed is a port from 1 to 65535", describe(*node)));
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(*value);
}

std::optional<Duration> FieldReader::duration(std::string_view name, Duration min, Duration max) {
  const std::string allowed = fmt::format("a duration from {} to {}, as 500ms, 2s or 1m30s", to_string(min),
                                          to_string(max));
  const YamlNode* node = scalar(name, allowed);
  if (node == nullptr) return std::nullopt;
  const auto value = parse_duration(node->text);
  if (value && *value >= min && *value <= max) return value;
  error(name, fmt::format("found {}; allowed is {}", describe(*node), allowed));
  return std::nullopt;
}

std::optional<std::string> FieldReader::choice(std::string_view name, std::initializer_list<std::string_view> allowed) {
  const std::string list = fmt::format("{}", fmt::join(allowed, ", "));
  const YamlNode* node = scalar(name, list);
  if (node == nullptr) return std::nullopt;
  if (std::ranges::find(allowed, node->text) != allowed.end()) return node->text;
  const std::vector<std::string_view> candidates(allowed);
  const std::string_view meant = closest(node->text, candidates);
  const std::string hint = meant.empty() ? "" : fmt::format(" (did you mean '{}'?)", meant);
  error(name, fmt::format("found {}{}; allowed is {}", describe(*node), hint, list));
  return std::nullopt;
}

std::vector<std::string> FieldReader::text_list(std::string_view name) {
  const YamlNode* node = list(name);
  std::vector<std::string> texts;
  if (node == nullptr) return texts;
  for (std::size_t i = 0; i < node->items.size(); i++) {
    const YamlNode& item = node->items[i];
    const std::string path = fmt::format("{}[{}]", path_of(name), i);
    context_.source.fields.insert_or_assign(path, item.position);
    if (item.kind == YamlNode::Kind::kScalar) {
      texts.push_back(item.text);
    } else {
      context_.diagnostics.error(
          item.position, fmt::format("{}: {}: found {}; allowed is text", context_.label, path, describe(item)));
    }
  }
  return texts;
}

const YamlNode* FieldReader::map(std::string_view name) {
  const YamlNode* node = take(name);
  if (node == nullptr || node->kind == YamlNode::Kind::kMap) return node;
  error(name, fmt::format("found {}; allowed is a map", describe(*node)));
  return nullptr;
}

const YamlNode* FieldReader::list(std::string_view name) {
  const YamlNode* node = take(name);
  if (node == nullptr || node->kind == YamlNode::Kind::kSequence) return node;
  error(name, fmt::format("found {}; allowed is a list", describe(*node)));
  return nullptr;
}

std::string FieldReader::required_text(std::string_view name) {
  if (!has(name)) {
    known_.emplace(name);
    missing(name, "text");
    return {};
  }
  return text(name).value_or("");
}

std::uint16_t FieldReader::required_port(std::string_view name) {
  if (!has(name)) {
    known_.emplace(name);
    missing(name, "a port from 1 to 65535");
    return 0;
  }
  return port(name).value_or(0);
}

void FieldReader::ignore(std::string_view name) {
  known_.emplace(name);
}

void FieldReader::ignore_with_warning(std::string_view name, std::string_view why) {
  const YamlNode* node = take(name);
  if (node == nullptr) return;
  context_.diagnostics.warning(node->position,
                               fmt::format("{}: {} is ignored: {}", context_.label, path_of(name), why));
}

void FieldReader::refuse(std::string_view name, std::string_view why) {
  if (take(name) != nullptr) error(name, std::string(why));
}

void FieldReader::finish() {
  const std::vector<std::string_view> candidates(known_.begin(), known_.end());
  std::size_t reported = 0;
  std::size_t unknown = 0;
  for (const YamlEntry& entry : map_.entries) {
    if (known_.contains(entry.key)) continue;
    unknown++;
    if (reported == kUnknownFieldsReportedMax) continue;
    reported++;
    const std::string_view meant = closest(entry.key, candidates);
    const std::string hint = meant.empty() ? fmt::format("known here are {}", fmt::join(candidates, ", "))
                                           : fmt::format("did you mean '{}'?", meant);
    const std::string in = path_.empty() ? "at the top level" : fmt::format("in {}", path_);
    context_.diagnostics.error(
        entry.position, fmt::format("{}: unknown field {} {}; {}", context_.label, in_quotes(entry.key), in, hint));
  }
  if (unknown > reported) {
    context_.diagnostics.error(map_.position, fmt::format("{}: and {} more unknown fields in {}", context_.label,
                                                          unknown - reported, path_.empty() ? "the document" : path_));
  }
}

}  // namespace fairlead
