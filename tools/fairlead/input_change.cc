#include "tools/fairlead/input_change.h"

#include <chrono>
#include <cstdio>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "tools/fairlead/arguments.h"
#include "tools/fairlead/reload_request.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kFileBytesMax = 4 * 1024 * 1024;
constexpr std::chrono::milliseconds kLookInterval{50};

Result<void> put(const InputChange& change) {
  if (change.text) return write_file(change.file, *change.text, kPrivateFileMode, Durability::kSync);
  std::error_code error;
  std::filesystem::remove(change.file, error);
  if (!error) return {};
  return fail(ErrorCode::kSystem, fmt::format("cannot remove {}: {}", change.file.string(), error.message()));
}

// What is there now, to be put back.
Result<std::vector<InputChange>> current(const std::vector<InputChange>& changes) {
  std::vector<InputChange> before;
  for (const InputChange& change : changes) {
    auto text = read_file(change.file, kFileBytesMax);
    if (!text && text.error().code != ErrorCode::kNotFound) return std::unexpected(text.error());
    before.push_back({change.file, text ? std::optional(std::move(*text)) : std::nullopt});
  }
  return before;
}

void put_back(const std::vector<InputChange>& before) {
  for (const InputChange& change : before) {
    if (auto done = put(change); !done) print_error(done.error());
  }
}

}  // namespace

std::filesystem::path resource_file(const NamespacePaths& paths, std::string_view kind, std::string_view name) {
  return paths.input_resources() / fmt::format("{}-{}.yaml", kind, name);
}

int change_input(const NamespacePaths& paths, const std::vector<InputChange>& changes) {
  // What comes first, the Site or its services, is up to the user; a gateway that runs needs one.
  const bool running = is_gateway_running(paths.lock());
  const auto site = load_namespace(paths, changes, running);
  if (site->diagnostics.has_errors()) {
    print_diagnostics(site->diagnostics);
    if (running && site->resources.sites.empty()) {
      fmt::print(stderr, "fairlead: the gateway of this Site runs: end it before\n");
    }
    return kExitInvalid;
  }
  const auto before = current(changes);
  if (!before) {
    print_error(before.error());
    return kExitFailed;
  }
  Result<void> done = make_directory(paths.input_resources(), kPublicDirectoryMode);
  for (auto change = changes.begin(); done && change != changes.end(); ++change)
    done = put(*change);
  if (!done) {
    print_error(done.error());
    put_back(*before);
    return kExitFailed;
  }
  if (!running) return kExitOk;
  const auto reload = request_reload(paths);
  if (!reload) {
    print_error(reload.error());
    return kExitFailed;
  }
  if (reload->at("errors").empty()) return kExitOk;
  for (const Json& line : reload->at("errors"))
    fmt::print(stderr, "error: {}\n", line.get_ref<const std::string&>());
  fmt::print(stderr, "fairlead: nothing is changed: the gateway cannot do it\n");
  put_back(*before);
  return kExitInvalid;
}

Json wait_for_resource(const NamespacePaths& paths, std::string_view kind, std::string_view name, unsigned timeout_s,
                       const std::function<bool(const Json&)>& done) {
  const auto give_up = Clock::now() + std::chrono::seconds(timeout_s);
  Json last;
  do {
    if (const auto snapshot = read_status_snapshot(paths)) {
      for (const Json& resource : snapshot->at("resources")) {
        if (text_at(resource, "/kind") == kind && text_at(resource, "/metadata/name") == name) last = resource;
      }
    }
    if (!last.is_null() && done(last)) break;
    std::this_thread::sleep_for(kLookInterval);
  } while (Clock::now() < give_up && is_gateway_running(paths.lock()));
  return last;
}

}  // namespace fairlead
