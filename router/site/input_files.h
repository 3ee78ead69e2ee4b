// InputFiles: the documents of input/resources as commands change them: one by one, each in the file where it is, all
// else in that file as it was written. What is new gets a file of its own, <Kind>-<name>.yaml. Nothing is written here.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "router/site/diagnostics.h"
#include "router/site/paths.h"
#include "router/site/site_loader.h"
#include "router/site/yaml.h"
#include "transport/base/error.h"

namespace fairlead {

// A document as JSON: whole numbers, true, false and nothing as what they are unless they were quoted, all else as
// text.
nlohmann::ordered_json to_json(const YamlNode& node);
// The same for one text.
nlohmann::ordered_json scalar_to_json(const std::string& text);

class InputFiles {
 public:
  struct Document {
    std::string kind;
    std::string name;
    nlohmann::ordered_json value;
  };

  // Fails if a file cannot be read or is no YAML: then nobody knows what is in it.
  static Result<InputFiles> read(const NamespacePaths& paths);

  std::vector<Document> documents() const;
  // Null if there is none.
  const nlohmann::ordered_json* find(std::string_view kind, std::string_view name) const;

  // In the place of the one that has its kind and name, if there is one.
  void put(const nlohmann::ordered_json& document);
  // False: there is none.
  bool remove(std::string_view kind, std::string_view name);

  // What is to be written for all that was done.
  std::vector<InputChange> changes() const;

 private:
  // A file is its texts between the lines that separate documents.
  struct Part {
    std::string text;  // with its line ends; comments at its beginning stay when it is replaced
    std::optional<Document> document;
  };

  struct File {
    std::vector<Part> parts;
    bool changed = false;
    bool is_new = false;
  };

  explicit InputFiles(const NamespacePaths& paths) : paths_(&paths) {}

  Result<void> read_file_at(const std::filesystem::path& path);
  Part* find_part(std::string_view kind, std::string_view name, File** file);

  const NamespacePaths* paths_;
  std::map<std::filesystem::path, File> files_;
};

}  // namespace fairlead
