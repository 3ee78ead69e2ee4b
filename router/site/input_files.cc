#include "router/site/input_files.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "router/site/field_reader.h"
#include "router/site/files.h"
#include "router/site/resource_reader.h"
#include "router/site/yaml_writer.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<InputFiles::Document> as_document(Json value) {
  const std::string kind = text_of(value, "kind");
  const std::string name = value.is_object() && value.contains("metadata") ? text_of(value["metadata"], "name") : "";
  if (kind.empty() || name.empty()) return std::nullopt;
  return InputFiles::Document{kind, name, std::move(value)};
}

// "---", perhaps with a comment behind it.
bool is_separator(std::string_view line) {
  return line.starts_with("---") && (line.size() == 3 || line[3] == ' ' || line[3] == '\n' || line[3] == '\r');
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts(1);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    if (is_separator(line)) {
      parts.emplace_back();
    } else {
      parts.back() += line;
    }
  }
  return parts;
}

// The comments that stand before anything else.
std::string leading_comments(std::string_view text) {
  std::string comments;
  while (text.starts_with('#')) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    comments += text.substr(0, end);
    text.remove_prefix(end);
  }
  return comments;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

Json scalar_to_json(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  if (const auto number = parse_number(text, 0, 0x7fffffff)) return *number;
  return text;
}

Json to_json(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return nullptr;
    case YamlNode::Kind::kScalar:
      return node.quoted ? Json(node.text) : scalar_to_json(node.text);
    case YamlNode::Kind::kSequence: {
      Json list = Json::array();
      for (const YamlNode& item : node.items)
        list.push_back(to_json(item));
      return list;
    }
    case YamlNode::Kind::kMap:
      break;
  }
  Json object = Json::object();
  for (const YamlEntry& entry : node.entries)
    object[entry.key] = to_json(entry.value);
  return object;
}

Result<InputFiles> InputFiles::read(const NamespacePaths& paths) {
  InputFiles result(paths);
  Diagnostics diagnostics;
  for (const auto& path : list_resource_files(paths.input_resources(), diagnostics)) {
    if (auto done = result.read_file_at(path); !done) return std::unexpected(done.error());
  }
  return result;
}

Result<void> InputFiles::read_file_at(const std::filesystem::path& path) {
  const auto text = read_file(path, YamlLimits::kFileBytesMax);
  if (!text) return std::unexpected(text.error());
  File file;
  for (std::string& part : split(*text)) {
    Diagnostics diagnostics;
    const auto documents = parse_yaml(part, path.string(), diagnostics);
    if (diagnostics.has_errors() || documents.size() > 1) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("{} cannot be read: correct it first; 'fairlead check {}' says what is "
                              "wrong",
                              path.string(), path.string()));
    }
    file.parts.push_back({std::move(part), documents.empty() ? std::nullopt : as_document(to_json(documents.front()))});
  }
  files_.emplace(path, std::move(file));
  return {};
}

std::vector<InputFiles::Document> InputFiles::documents() const {
  std::vector<Document> all;
  for (const auto& [path, file] : files_) {
    for (const Part& part : file.parts) {
      if (part.document) all.push_back(*part.document);
    }
  }
  return all;
}

InputFiles::Part* InputFiles::find_part(std::string_view kind, std::string_view name, File** of) {
  for (auto& [path, file] : files_) {
    for (Part& part : file.parts) {
      if (!part.document || part.document->kind != kind || part.document->name != name) continue;
      *of = &file;
      return &part;
    }
  }
  return nullptr;
}

const Json* InputFiles::find(std::string_view kind, std::string_view name) const {
  File* file = nullptr;
  const Part* const part = const_cast<InputFiles*>(this)->find_part(kind, name, &file);
  return part == nullptr ? nullptr : &part->document->value;
}

void InputFiles::put(const Json& document) {
  auto made = as_document(document);
  if (!made) return;
  File* file = nullptr;
  if (Part* const part = find_part(made->kind, made->name, &file)) {
    if (part->document->value == document) return;
    part->text = leading_comments(part->text) + to_yaml(document);
    part->document = std::move(made);
    file->changed = true;
    return;
  }
  File& fresh = files_[paths_->input_resources() / fmt::format("{}-{}.yaml", made->kind, made->name)];
  fresh.is_new = fresh.parts.empty();
  fresh.changed = true;
  std::erase_if(fresh.parts, [](const Part& part) { return is_blank(part.text); });
  fresh.parts.push_back({to_yaml(document), std::move(made)});
}

bool InputFiles::remove(std::string_view kind, std::string_view name) {
  File* file = nullptr;
  const Part* const part = find_part(kind, name, &file);
  if (part == nullptr) return false;
  file->parts.erase(file->parts.begin() + (part - file->parts.data()));
  file->changed = true;
  return true;
}

std::vector<InputChange> InputFiles::changes() const {
  std::vector<InputChange> changes;
  for (const auto& [path, file] : files_) {
    if (!file.changed) continue;
    const bool any = std::ranges::any_of(file.parts, [](const Part& part) { return part.document.has_value(); });
    if (!any && file.is_new) continue;
    InputChange change{path, std::nullopt};
    if (any) {
      change.text.emplace();
      const char* separator = "";
      for (const Part& part : file.parts)
        *change.text += std::exchange(separator, "---\n") + part.text;
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace fairlead
