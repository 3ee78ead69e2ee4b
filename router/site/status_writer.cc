#include "router/site/status_writer.h"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/status_documents.h"
#include "router/site/yaml_writer.h"

namespace fairlead {

StatusWriter::StatusWriter(const Resources& resources, const NamespacePaths& paths)
    : resources_(&resources), paths_(paths) {}

StatusWriter::~StatusWriter() = default;

Result<void> StatusWriter::open() {
  if (auto made = make_directory(paths_.runtime_resources(), kPublicDirectoryMode); !made) return made;
  std::error_code ignored;  // it is overwritten anyway, and not worth a failed start
  std::filesystem::remove(paths_.status(), ignored);
  std::error_code error;
  for (std::filesystem::directory_iterator entry(paths_.runtime_resources(), error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".yaml") written_[entry->path().filename().string()];
  }
  if (error) {
    return fail(ErrorCode::kSystem,
                fmt::format("cannot read {}: {}", paths_.runtime_resources().string(), error.message()));
  }
  return {};
}

Result<void> StatusWriter::write(const GatewayStatus& gateway, std::int64_t now_unix_s, const NetworkView* network) {
  return write_all(&gateway, now_unix_s, network);
}

nlohmann::ordered_json StatusWriter::snapshot(const GatewayStatus& gateway, std::int64_t now_unix_s,
                                              const NetworkView* network) {
  const StatusInput input{*resources_, paths_.name(), &gateway, now_unix_s, network, tokens_, input_refused_};
  return make_status_snapshot(input, make_status_documents(input, times_));
}

Result<void> StatusWriter::close(std::int64_t now_unix_s) {
  auto written = write_all(nullptr, now_unix_s, nullptr);
  std::error_code ignored;  // the lock tells that nobody runs, with or without this file
  std::filesystem::remove(paths_.status(), ignored);
  return written;
}

Result<void> StatusWriter::write_document(const nlohmann::ordered_json& document, mode_t mode,
                                          std::set<std::string>& present) {
  const std::string file = fmt::format("{}-{}.yaml", document["kind"].get_ref<const std::string&>(),
                                       document["metadata"]["name"].get_ref<const std::string&>());
  present.insert(file);
  nlohmann::ordered_json& last = written_[file];
  if (last == document) return {};
  auto written = write_file(paths_.runtime_resources() / file, to_yaml(document), mode, Durability::kRename);
  if (written) last = document;
  return written;
}

Result<void> StatusWriter::write_all(const GatewayStatus* gateway, std::int64_t now_unix_s,
                                     const NetworkView* network) {
  const StatusInput input{
      *resources_, paths_.name(), gateway, now_unix_s, network, gateway == nullptr ? nullptr : tokens_, input_refused_};
  const StatusDocuments documents = make_status_documents(input, times_);
  // The snapshot is what the CLI reads, so it goes first.
  if (gateway != nullptr) {
    const std::string snapshot =
        make_status_snapshot(input, documents).dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
        "\n";
    if (auto written = write_file(paths_.status(), snapshot, kPublicFileMode, Durability::kRename); !written) {
      return written;
    }
  }
  std::set<std::string> present;
  for (const auto& document : documents.resources) {
    if (auto written = write_document(document, kPublicFileMode, present); !written) return written;
  }
  for (const auto& document : documents.grants) {
    if (auto written = write_document(document, kPrivateFileMode, present); !written) return written;
  }
  std::erase_if(written_, [&](const auto& file) {
    if (present.contains(file.first)) return false;
    std::error_code ignored;  // a status of what is gone is not worth an error
    std::filesystem::remove(paths_.runtime_resources() / file.first, ignored);
    return true;
  });
  return {};
}

}  // namespace fairlead
