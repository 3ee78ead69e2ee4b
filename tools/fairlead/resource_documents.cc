#include "tools/fairlead/resource_documents.h"

#include <iostream>
#include <iterator>
#include <utility>

#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/names.h"
#include "router/site/yaml.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"

namespace fairlead {

Result<std::vector<InputFiles::Document>> read_documents(const std::string& file) {
  Result<std::string> text = file == "-" ? std::string(std::istreambuf_iterator<char>(std::cin), {})
                                         : read_file(file, YamlLimits::kFileBytesMax);
  if (!text) return std::unexpected(Error{ErrorCode::kInvalid, text.error().message});
  Diagnostics diagnostics;
  std::vector<InputFiles::Document> documents;
  for (const YamlNode& node : parse_yaml(*text, file, diagnostics)) {
    nlohmann::ordered_json value = to_json(node);
    const std::string kind = value.is_object() ? text_at(value, "/kind") : std::string();
    const std::string name = value.is_object() ? text_at(value, "/metadata/name") : std::string();
    if (kind.empty() || name.empty() || check_bundle_name(name)) {
      diagnostics.error(node.position, "this document is no resource: it needs kind and metadata.name");
      continue;
    }
    documents.push_back({kind, name, std::move(value)});
  }
  if (documents.empty() && !diagnostics.has_errors()) diagnostics.error({file}, "there is no resource in this file");
  if (!diagnostics.has_errors()) return documents;
  print_diagnostics(diagnostics);
  return fail(ErrorCode::kInvalid, "nothing is changed");
}

}  // namespace fairlead
