#include "router/site/access_writer.h"

#include <nlohmann/json.hpp>

#include "router/site/yaml_writer.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

Json document_of(const RouterAccess& access) {
  Json document;
  document["apiVersion"] = "skupper.io/v2alpha1";
  document["kind"] = RouterAccess::kKind;
  document["metadata"]["name"] = access.metadata.name;
  Json& roles = document["spec"]["roles"] = Json::array();
  for (const RouterAccessRole& role : access.roles)
    roles.push_back({{"name", role.name}, {"port", role.port}});
  if (!access.subject_alternative_names.empty()) {
    document["spec"]["subjectAlternativeNames"] = access.subject_alternative_names;
  }
  return document;
}

}  // namespace

std::string written_out(const RouterAccess& access) {
  std::string text = to_yaml(document_of(access));
  while (text.ends_with('\n'))
    text.pop_back();
  return text;
}

std::string written_on_one_line(const RouterAccess& access) {
  return document_of(access).dump();
}

}  // namespace fairlead
