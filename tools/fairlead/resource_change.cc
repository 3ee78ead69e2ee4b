// `fairlead site|listener|connector|link create|update|delete|generate` and `system apply|delete`: change the files of
// the input, have the gateway put them to use, and say what it says.

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/input_files.h"
#include "router/site/names.h"
#include "router/site/resource_reader.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/input_change.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/resource_documents.h"
#include "tools/fairlead/snapshot.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kApiVersion = "skupper.io/v2alpha1";

int failed(const Error& error) {
  print_error(error);
  return error.code == ErrorCode::kInvalid ? kExitInvalid : kExitFailed;
}

Json new_resource(const ResourceChangeArguments& arguments) {
  Json json;
  json["apiVersion"] = kApiVersion;
  json["kind"] = arguments.kind;
  json["metadata"]["name"] = arguments.name;
  json["spec"] = Json::object();
  return json;
}

void set_fields(Json& resource, const std::vector<std::pair<std::string, std::string>>& fields) {
  for (const auto& [field, text] : fields) {
    if (text.empty()) {
      resource["spec"].erase(field);
    } else {
      resource["spec"][field] = scalar_to_json(text);
    }
  }
}

// What there is of the kind, for who named something else.
int say_missing(const InputFiles& input, const std::string& kind, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& document : input.documents()) {
    if (document.kind == kind) names.push_back(document.name);
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view meant = closest(name, candidates);
  fmt::print(stderr, "fairlead: there is no {} '{}'{}\n", kind, name,
             meant.empty() ? std::string() : fmt::format("; did you mean '{}'?", meant));
  return kExitInvalid;
}

bool is_settled(const Json& document, Wait wait) {
  if (text_at(document, "/status/status") == "Ready") return true;
  if (wait == Wait::kReady) return false;
  for (const Json& condition : document.at("status").value("conditions", Json::array())) {
    if (text_at(condition, "/type") == "Configured") return text_at(condition, "/status") == "True";
  }
  return false;
}

// The gateway's own word.
int report(const NamespacePaths& paths, const ResourceChangeArguments& arguments, const char* done) {
  const std::string what = label(arguments.kind, arguments.name);
  if (!is_gateway_running(paths.lock())) {
    fmt::print("{} is {}.\n", what, done);
    if (flush_output()) print_not_running(paths);
    return kExitOk;
  }
  if (arguments.wait == Wait::kNone) {
    fmt::print("{} is {}.\n", what, done);
    return kExitOk;
  }
  const Json document = wait_for_resource(paths, arguments.kind, arguments.name, arguments.timeout_s,
                                          [&](const Json& seen) { return is_settled(seen, arguments.wait); });
  const std::string message =
      document.is_null() ? "the gateway does not know it" : text_at(document, "/status/message");
  if (!document.is_null() && is_settled(document, arguments.wait)) {
    fmt::print("{} is {}{}.\n", what, done, message == "OK" ? " and ready" : ": " + message);
    return kExitOk;
  }
  fmt::print(stderr, "fairlead: {} is {}, but not {} after {} s: {}\n", what, done,
             arguments.wait == Wait::kReady ? "ready" : "configured", arguments.timeout_s, message);
  return kExitFailed;
}

int create(const NamespacePaths& paths, InputFiles& input, const ResourceChangeArguments& arguments) {
  if (input.find(arguments.kind, arguments.name) != nullptr) {
    fmt::print(stderr, "fairlead: there is a {} already; change it with update\n",
               label(arguments.kind, arguments.name));
    return kExitInvalid;
  }
  Json resource = new_resource(arguments);
  set_fields(resource, arguments.fields);
  input.put(resource);
  if (const int code = change_input(paths, input.changes()); code != kExitOk) return code;
  return report(paths, arguments, "created");
}

// The link of an AccessToken has its cost there.
const Json* find_token_of_link(const InputFiles& input, const ResourceChangeArguments& arguments) {
  return arguments.kind == Link::kKind ? input.find(AccessToken::kKind, arguments.name) : nullptr;
}

int update(const NamespacePaths& paths, InputFiles& input, const ResourceChangeArguments& arguments) {
  const Json* found = input.find(arguments.kind, arguments.name);
  auto fields = arguments.fields;
  if (found == nullptr) {
    found = find_token_of_link(input, arguments);
    if (found == nullptr) return say_missing(input, arguments.kind, arguments.name);
    for (auto& [field, text] : fields) {
      if (field != "cost") {
        fmt::print(stderr, "fairlead: the {} is that of an AccessToken: only its cost can be changed\n",
                   label(arguments.kind, arguments.name));
        return kExitInvalid;
      }
      field = "linkCost";
    }
  }
  if (fields.empty()) {
    fmt::print(stderr, "fairlead: nothing to change: say what with an option, see --help\n");
    return kExitInvalid;
  }
  Json resource = *found;
  set_fields(resource, fields);
  const bool same = resource == *found;
  input.put(resource);
  if (const int code = change_input(paths, input.changes()); code != kExitOk) return code;
  return report(paths, arguments, same ? "unchanged" : "updated");
}

bool uses_secret(const InputFiles& input, const std::string& name) {
  for (const auto& document : input.documents()) {
    if (document.kind == Secret::kKind) continue;
    for (const char* field : {"/spec/tlsCredentials", "/spec/tlsSecret"}) {
      if (text_at(document.value, field) == name) return true;
    }
  }
  return false;
}

int remove_one(const NamespacePaths& paths, InputFiles& input, const ResourceChangeArguments& arguments) {
  ResourceChangeArguments removed = arguments;
  if (removed.kind == AccessGrant::kKind && input.find(removed.kind, removed.name) == nullptr) {
    removed.kind = AccessToken::kKind;  // a word for both
  }
  for (const auto& document : input.documents()) {
    // There is one Site, which need not be named.
    if (removed.name.empty() && document.kind == arguments.kind) removed.name = document.name;
  }
  const bool of_token = find_token_of_link(input, arguments) != nullptr;
  if (of_token && input.find(arguments.kind, arguments.name) == nullptr) removed.kind = AccessToken::kKind;
  // A Link and the Secret that came with it go together.
  if (!input.remove(removed.kind, removed.name)) return say_missing(input, removed.kind, removed.name);
  if (removed.kind == Link::kKind && !uses_secret(input, removed.name)) input.remove(Secret::kKind, removed.name);
  if (const int code = change_input(paths, input.changes()); code != kExitOk) return code;
  fmt::print("{} is deleted.\n", label(removed.kind, removed.name));
  return kExitOk;
}

int remove_all(const NamespacePaths& paths, InputFiles& input) {
  const auto documents = input.documents();
  for (const auto& document : documents)
    input.remove(document.kind, document.name);
  if (const int code = change_input(paths, input.changes()); code != kExitOk) return code;
  for (const auto& document : documents)
    fmt::print("{} is deleted.\n", label(document.kind, document.name));
  return kExitOk;
}

int generate(const ResourceChangeArguments& arguments) {
  Json resource = new_resource(arguments);
  set_fields(resource, arguments.fields);
  const std::string text = to_yaml(resource);
  Resources resources;
  Diagnostics diagnostics;
  read_resources(text, label(arguments.kind, arguments.name), resources, diagnostics);
  if (diagnostics.has_errors()) {
    print_diagnostics(diagnostics);
    return kExitInvalid;
  }
  fmt::print("{}", arguments.format == OutputFormat::kJson ? dump_json(resource) : text);
  return kExitOk;
}

}  // namespace

int change_resource(const CommonArguments& common, const ResourceChangeArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  if (arguments.verb == ResourceVerb::kGenerate) return generate(arguments);
  auto input = InputFiles::read(*paths);
  if (!input) return failed(input.error());
  if (arguments.verb == ResourceVerb::kCreate) return create(*paths, *input, arguments);
  if (arguments.verb == ResourceVerb::kUpdate) return update(*paths, *input, arguments);
  return arguments.all ? remove_all(*paths, *input) : remove_one(*paths, *input, arguments);
}

int put_files(const NamespacePaths& paths, const SystemApplyArguments& arguments) {
  auto input = InputFiles::read(paths);
  if (!input) return failed(input.error());
  const auto documents = read_documents(arguments.file);
  if (!documents) return failed(documents.error());
  std::vector<std::string> lines;
  for (const auto& document : *documents) {
    const std::string what = label(document.kind, document.name);
    const Json* const before = input->find(document.kind, document.name);
    if (arguments.remove) {
      lines.push_back(what + (input->remove(document.kind, document.name) ? " deleted" : " was not there"));
    } else {
      lines.push_back(what + (before == nullptr ? " created" : *before == document.value ? " unchanged" : " changed"));
      input->put(document.value);
    }
  }
  if (const int code = change_input(paths, input->changes()); code != kExitOk) return code;
  for (const std::string& line : lines)
    fmt::print("{}\n", line);
  return flush_output() ? kExitOk : kExitFailed;
}

int apply_files(const CommonArguments& common, const SystemApplyArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  const int code = put_files(*paths, arguments);
  if (code == kExitOk && !is_gateway_running(paths->lock())) print_not_running(*paths);
  return code;
}

}  // namespace fairlead
