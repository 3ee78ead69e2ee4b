#include "router/site/yaml_writer.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

namespace fairlead {

namespace {

// Text that every YAML version reads as text: words of letters, digits and harmless signs that begin with a letter and
// are none of the words that some version takes for a boolean or null. All else is quoted.
bool is_plain_text(std::string_view text) {
  constexpr std::array<std::string_view, 11> kSpecial = {"y",    "n",     "yes",  "no",  "on", "off",
                                                         "true", "false", "null", "nan", "inf"};
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_harmless = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || std::string_view("-_./+= ").find(c) != std::string_view::npos;
  };
  if (text.empty() || !is_letter(text.front()) || text.back() == ' ') return false;
  if (!std::ranges::all_of(text, is_harmless)) return false;
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return std::ranges::find(kSpecial, lower) == kSpecial.end();
}

// Certificates, for people to recognise: lines that a block shows as they are. A block ends with one line end.
bool is_block(std::string_view text) {
  if (!text.ends_with('\n') || text.ends_with("\n\n") || text.starts_with(' ') || text.starts_with('\n')) return false;
  return std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c < 0x7f); });
}

void emit(YAML::Emitter& emitter, const nlohmann::ordered_json& value) {
  if (value.is_object()) {
    if (value.empty()) emitter << YAML::Flow;
    emitter << YAML::BeginMap;
    for (const auto& [key, member] : value.items()) {
      emitter << YAML::Key;
      if (!is_plain_text(key)) emitter << YAML::DoubleQuoted;
      emitter << key << YAML::Value;
      emit(emitter, member);
    }
    emitter << YAML::EndMap;
  } else if (value.is_array()) {
    if (value.empty()) emitter << YAML::Flow;
    emitter << YAML::BeginSeq;
    for (const auto& item : value)
      emit(emitter, item);
    emitter << YAML::EndSeq;
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (is_block(text)) {
      emitter << YAML::Literal;
    } else if (!is_plain_text(text)) {
      emitter << YAML::DoubleQuoted;
    }
    emitter << text;
  } else if (value.is_null()) {
    emitter << YAML::Null;
  } else {
    // Numbers, true and false are spelled alike in both languages.
    emitter << value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
}

}  // namespace

std::string to_yaml(const nlohmann::ordered_json& value) {
  YAML::Emitter emitter;
  emitter.SetSeqFormat(YAML::Block);
  emit(emitter, value);
  return std::string(emitter.c_str()) + "\n";
}

}  // namespace fairlead
