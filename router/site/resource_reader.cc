#include "router/site/resource_reader.h"

#include <algorithm>
#include <array>
#include <span>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "router/site/field_reader.h"
#include "router/site/files.h"
#include "router/site/kind_readers.h"
#include "router/site/names.h"
#include "router/site/yaml.h"

namespace fairlead {

namespace {

constexpr std::string_view kApiVersion = "skupper.io/v2alpha1";
constexpr std::string_view kOlderApiVersion = "skupper.io/v1alpha1";  // its fields are taken too, in either version
constexpr std::string_view kSecretApiVersion = "v1";

constexpr std::array kKinds = {
    Site::kKind,      Link::kKind,   RouterAccess::kKind, Listener::kKind,   MultiKeyListener::kKind,
    Connector::kKind, Secret::kKind, AccessGrant::kKind,  AccessToken::kKind};

// Kinds of Skupper's that are not mistakes; what they would do does not happen.
constexpr std::array<std::string_view, 4> kUnsupportedKinds = {"Certificate", "SecuredAccess", "AttachedConnector",
                                                               "AttachedConnectorBinding"};

// What Kubernetes and its tools write into `metadata` and nobody here needs.
constexpr std::array<std::string_view, 10> kIgnoredMetadata = {"labels",
                                                               "annotations",
                                                               "uid",
                                                               "creationTimestamp",
                                                               "deletionTimestamp",
                                                               "generation",
                                                               "managedFields",
                                                               "resourceVersion",
                                                               "ownerReferences",
                                                               "finalizers"};

std::string scalar_text(const YamlNode& map, std::string_view key) {
  const YamlNode* node = map.find(key);
  return node != nullptr && node->kind == YamlNode::Kind::kScalar ? node->text : std::string();
}

std::string document_label(const YamlNode& document, std::string_view kind) {
  const YamlNode* metadata = document.find("metadata");
  const std::string name = metadata == nullptr ? "" : scalar_text(*metadata, "name");
  if (name.empty()) return fmt::format("{} without a name", kind);
  return label(kind, check_bundle_name(name) ? in_quotes(name) : name);
}

void read_metadata(DocumentContext& context, FieldReader& document, std::string_view kind, Metadata& metadata) {
  const YamlNode* node = document.map("metadata");
  if (node == nullptr) {
    if (!document.has("metadata")) document.missing("metadata", "a map with the resource's name");
    return;
  }
  FieldReader reader(context, *node, "metadata");
  metadata.name = reader.required_text("name");
  if (reader.has("name")) {
    // A Secret's name is that of a bundle, which Skupper derives from host names.
    auto problem = kind == Secret::kKind ? check_bundle_name(metadata.name) : check_name(metadata.name);
    if (problem) reader.error("name", std::move(*problem));
  }
  metadata.namespace_name = reader.text("namespace").value_or("");
  if (reader.has("namespace")) {
    if (auto problem = check_name(metadata.namespace_name)) reader.error("namespace", std::move(*problem));
  }
  for (const std::string_view name : kIgnoredMetadata)
    reader.ignore(name);
  reader.finish();
}

// The envelope that all kinds share, around `read_body(context, document)`.
template <class T, class ReadBody>
void read_kind(const YamlNode& document, std::vector<T>& into, Diagnostics& diagnostics, ReadBody read_body) {
  const std::size_t errors_before = diagnostics.error_count();
  T resource;
  resource.source.position = document.position;
  DocumentContext context{document_label(document, T::kKind), resource.source, diagnostics};
  FieldReader reader(context, document, "");
  reader.ignore("kind");
  if constexpr (T::kKind == Secret::kKind) {
    static_cast<void>(reader.choice("apiVersion", {kSecretApiVersion}));
  } else {
    static_cast<void>(reader.choice("apiVersion", {kApiVersion, kOlderApiVersion}));
  }
  read_metadata(context, reader, T::kKind, resource.metadata);
  read_body(context, reader, resource);
  // Tools print a resource with its status; putting that back in is no mistake.
  reader.ignore("status");
  reader.finish();
  resource.source.has_errors = diagnostics.error_count() != errors_before;
  if (resource.metadata.name.empty()) return diagnostics.note_incomplete();
  into.push_back(std::move(resource));
}

template <class T, class ReadSpec>
void read_kind_with_spec(const YamlNode& document, std::vector<T>& into, Diagnostics& diagnostics, ReadSpec read_spec) {
  read_kind(document, into, diagnostics, [&](DocumentContext& context, FieldReader& reader, T& resource) {
    const YamlNode* node = reader.map("spec");
    if (node == nullptr && reader.has("spec")) return;
    // Without a spec, the kind's reader says what it misses in an empty one.
    YamlNode empty;
    empty.kind = YamlNode::Kind::kMap;
    empty.position = document.position;
    FieldReader spec(context, node == nullptr ? empty : *node, "spec");
    read_spec(context, spec, resource);
  });
}

void warn_of_kind(const YamlNode& document, const std::string& kind, Diagnostics& diagnostics) {
  const Position& position = document.find("kind")->position;
  if (std::ranges::find(kUnsupportedKinds, kind) != kUnsupportedKinds.end()) {
    diagnostics.warning(
        position, fmt::format("{} is ignored: fairlead does not support this kind", document_label(document, kind)));
    return;
  }
  const std::string_view meant = closest(kind, kKinds);
  const std::string hint = meant.empty() ? "" : fmt::format(" (did you mean '{}'?)", meant);
  diagnostics.warning(position, fmt::format("unknown kind {}{}; the document is ignored", in_quotes(kind), hint));
}

// That there is none, or something that cannot be one.
void report_kind(const YamlNode& document, Diagnostics& diagnostics) {
  const YamlNode* found = document.find("kind");
  const bool missing = found == nullptr || found->kind == YamlNode::Kind::kNull;
  const std::string what =
      missing ? "kind is missing; needed" : fmt::format("kind: found {}; allowed", describe(*found));
  diagnostics.error(missing ? document.position : found->position,
                    fmt::format("{} is Site, Link, RouterAccess, Listener, MultiKeyListener, Connector, Secret, "
                                "AccessGrant or AccessToken",
                                what));
  diagnostics.note_incomplete();
}

void read_document(const YamlNode& document, Resources& resources, Diagnostics& diagnostics) {
  if (document.kind != YamlNode::Kind::kMap) {
    diagnostics.error(document.position, fmt::format("found {}; allowed is a resource (a map with kind, metadata and "
                                                     "spec)",
                                                     describe(document)));
    return diagnostics.note_incomplete();
  }
  const std::string kind = scalar_text(document, "kind");
  if (kind.empty()) {
    report_kind(document, diagnostics);
  } else if (kind == Site::kKind) {
    read_kind_with_spec(document, resources.sites, diagnostics, read_site);
  } else if (kind == Link::kKind) {
    read_kind_with_spec(document, resources.links, diagnostics, read_link);
  } else if (kind == RouterAccess::kKind) {
    read_kind_with_spec(document, resources.router_accesses, diagnostics, read_router_access);
  } else if (kind == Listener::kKind) {
    read_kind_with_spec(document, resources.listeners, diagnostics, read_listener);
  } else if (kind == MultiKeyListener::kKind) {
    read_kind_with_spec(document, resources.multi_key_listeners, diagnostics, read_multi_key_listener);
  } else if (kind == Connector::kKind) {
    read_kind_with_spec(document, resources.connectors, diagnostics, read_connector);
  } else if (kind == Secret::kKind) {
    read_kind(document, resources.secrets, diagnostics, read_secret);
  } else if (kind == AccessGrant::kKind) {
    read_kind_with_spec(document, resources.access_grants, diagnostics, read_access_grant);
  } else if (kind == AccessToken::kKind) {
    read_kind_with_spec(document, resources.access_tokens, diagnostics, read_access_token);
  } else {
    warn_of_kind(document, kind, diagnostics);
  }
}

// What of a file others must not read.
struct FileSecret {
  const Source* source = nullptr;
  std::string text;  // "Secret west holds a private key"
};

// `first` counts what was there before the file.
struct Counts {
  std::size_t secrets;
  std::size_t grants;
  std::size_t tokens;
};

FileSecret find_secret_of_file(const Resources& resources, const Counts& first) {
  for (const Secret& secret : std::span(resources.secrets).subspan(first.secrets)) {
    if (secret.data.contains("tls.key")) return {&secret.source, label(secret) + " holds a private key"};
  }
  for (const AccessGrant& grant : std::span(resources.access_grants).subspan(first.grants)) {
    if (!grant.code.empty()) return {&grant.source, label(grant) + " holds a code that is as good as a key"};
  }
  for (const AccessToken& token : std::span(resources.access_tokens).subspan(first.tokens)) {
    return {&token.source, label(token) + " holds a code that is as good as a key"};
  }
  return {};
}

void warn_of_readers(const std::filesystem::path& file, const FileSecret& found, Diagnostics& diagnostics) {
  if (found.source == nullptr || !others_may_read(file)) return;
  diagnostics.warning(found.source->position, fmt::format("{}, and others may read this file; take that away with: "
                                                          "chmod 600 {}",
                                                          found.text, file.string()));
}

}  // namespace

void read_resources(std::string_view text, const std::string& file, Resources& resources, Diagnostics& diagnostics) {
  const std::size_t errors_before = diagnostics.error_count();
  const std::vector<YamlNode> documents = parse_yaml(text, file, diagnostics);
  for (const YamlNode& document : documents)
    read_document(document, resources, diagnostics);
  if (documents.empty() && diagnostics.error_count() == errors_before) {
    diagnostics.warning({file}, "there is no resource in this file");
  }
}

void read_resource_files(const std::vector<std::filesystem::path>& files, Resources& resources,
                         Diagnostics& diagnostics) {
  for (const std::filesystem::path& file : files) {
    const auto text = read_file(file, YamlLimits::kFileBytesMax);
    if (!text) {
      diagnostics.error({}, text.error().message);
      diagnostics.note_incomplete();
      continue;
    }
    const Counts before{resources.secrets.size(), resources.access_grants.size(), resources.access_tokens.size()};
    read_resources(*text, file.string(), resources, diagnostics);
    warn_of_readers(file, find_secret_of_file(resources, before), diagnostics);
  }
}

std::vector<std::filesystem::path> list_resource_files(const std::filesystem::path& directory,
                                                       Diagnostics& diagnostics) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::filesystem::path& path = entry->path();
    const std::string extension = path.extension().string();
    // Editors leave backups and swap files beside the files that they edit.
    if (path.filename().string().starts_with('.')) continue;
    std::error_code ignored;
    if (entry->is_directory(ignored)) continue;
    if (extension == ".yaml" || extension == ".yml" || extension == ".json") {
      files.push_back(path);
    } else if (!path.filename().string().ends_with('~')) {
      diagnostics.warning({path.string()}, "the file is ignored: read are *.yaml, *.yml and *.json");
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    diagnostics.error({directory.string()}, fmt::format("cannot read the directory: {}", error.message()));
    diagnostics.note_incomplete();
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace fairlead
