// `fairlead debug dump [FILE]`: what somebody else needs to see what is wrong here, as a tarball without secrets.

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "version.h"
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/utsname.h>

#include "router/site/conditions.h"
#include "router/site/files.h"
#include "router/site/input_files.h"
#include "router/site/resource_reader.h"
#include "router/site/site_loader.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/systemd_service.h"
#include "tools/fairlead/systemd_unit.h"
#include "tools/fairlead/temporary_folder.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kFileBytesMax = 64 * 1024 * 1024;
constexpr std::size_t kLogBytesMax = 4 * 1024 * 1024;  // the end of it
constexpr char kRemoved[] = "(removed)";

// What goes into the tarball.
class Workplace {
 public:
  explicit Workplace(TemporaryFolder folder) : folder_(std::move(folder)) {}

  const std::filesystem::path& path() const { return folder_.path(); }

  // Whatever a text is: one with a private key is not taken.
  void put(const std::filesystem::path& name, std::string text) const {
    if (text.find("PRIVATE KEY") != std::string::npos) text = kRemoved;
    const auto file = path() / name;
    if (auto made = make_directory(file.parent_path(), kPrivateDirectoryMode); !made) return print_error(made.error());
    if (auto written = write_file(file, text, kPrivateFileMode, Durability::kRename); !written) {
      print_error(written.error());
    }
  }

  // What is not there is left out.
  void copy(const std::filesystem::path& from, const std::filesystem::path& name) const {
    if (auto text = read_file(from, kFileBytesMax)) put(name, std::move(*text));
  }

 private:
  TemporaryFolder folder_;
};

std::string machine() {
  utsname system{};
  ::uname(&system);
  return fmt::format("fairlead {}\n{} {} {} {}\n{}\n", FAIRLEAD_VERSION, system.sysname, system.release, system.version,
                     system.machine, format_time(std::time(nullptr)));
}

// Of Secrets the names of what is in them; certificates are for everybody.
Json without_secrets(Json document) {
  const std::string kind = document.value("kind", "");
  for (const char* const field : {"data", "stringData"}) {
    if (kind != Secret::kKind || !document.contains(field) || !document[field].is_object()) continue;
    for (auto& [name, value] : document[field].items()) {
      if (!name.ends_with(".crt") && !name.ends_with(".crl")) value = kRemoved;
    }
  }
  const bool has_code = kind == AccessGrant::kKind || kind == AccessToken::kKind;
  if (has_code && document.contains("spec") && document["spec"].is_object() && document["spec"].contains("code")) {
    document["spec"]["code"] = kRemoved;
  }
  return document;
}

void put_input(const NamespacePaths& paths, const Workplace& workplace) {
  const auto input = InputFiles::read(paths);
  if (!input) return workplace.put("input/error.txt", input.error().message + "\n");
  for (const auto& document : input->documents()) {
    workplace.put(fmt::format("input/{}-{}.yaml", document.kind, document.name),
                  to_yaml(without_secrets(document.value)));
  }
}

void put_certificates(const NamespacePaths& paths, const Workplace& workplace) {
  for (const auto& [folder, name] : {std::pair{paths.input_certs(), "input-certs"},
                                     {paths.runtime_certs(), "certs"},
                                     {paths.runtime_issuers(), "issuers"}}) {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      for (const char* const file : {"ca.crt", "tls.crt", "ca.crl"})
        workplace.copy(entry->path() / file, std::filesystem::path(name) / entry->path().filename() / file);
    }
  }
}

void put_check(const NamespacePaths& paths, const Workplace& workplace) {
  std::string text;
  for (const Diagnostic& diagnostic : load_namespace(paths)->diagnostics.items())
    text += to_string(diagnostic) + "\n";
  workplace.put("check.txt", text.empty() ? "ok\n" : text);
}

void put_logs(const NamespacePaths& paths, const Workplace& workplace) {
  if (auto log = read_file(paths.runtime() / "gateway.log", kFileBytesMax)) {
    workplace.put("gateway.log", log->size() > kLogBytesMax ? log->substr(log->size() - kLogBytesMax) : *log);
  }
  if (!has_systemd() || !is_unit_installed(paths.name())) return;
  workplace.copy(unit_file(paths.name()), unit_name(paths.name()));
  const std::string unit = unit_name(paths.name());
  for (const auto& [command, file] : {std::pair{"systemctl status --no-pager " + unit, "systemd.txt"},
                                      {"journalctl --no-pager -n 5000 -u " + unit, "journal.txt"}}) {
    static_cast<void>(run_program({"sh", "-c", command + " > \"$0\" 2>&1", (workplace.path() / file).string()}));
  }
}

void put_process(const NamespacePaths& paths, const Workplace& workplace) {
  constexpr std::size_t kPidBytesMax = 32;
  const auto pid = is_gateway_running(paths.lock()) ? read_file(paths.lock(), kPidBytesMax)
                                                    : fail(ErrorCode::kNotFound, "no process");
  if (!pid) return workplace.put("process.txt", "the gateway is not running\n");
  for (const char* const file : {"limits", "status"})
    workplace.copy(std::filesystem::path("/proc") / *pid / file, std::filesystem::path("process") / file);
}

}  // namespace

int dump_system(const CommonArguments& common, const DebugDumpArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  auto folder = TemporaryFolder::make();
  if (!folder) {
    print_error(folder.error());
    return kExitFailed;
  }
  const Workplace workplace(std::move(*folder));
  workplace.put("machine.txt", machine());
  workplace.copy("/etc/os-release", "os-release");
  put_input(*paths, workplace);
  put_check(*paths, workplace);
  workplace.copy(paths->status(), "status.json");
  put_certificates(*paths, workplace);
  put_logs(*paths, workplace);
  put_process(*paths, workplace);
  const std::filesystem::path file = std::filesystem::absolute(
      arguments.file.empty() ? fmt::format("fairlead-dump-{}-{}.tar.gz", paths->name(), std::time(nullptr))
                             : arguments.file);
  if (auto packed = pack(workplace.path(), file); !packed) {
    print_error(packed.error());
    return kExitFailed;
  }
  fmt::print(
      "{} holds what is known of namespace '{}', without keys and codes. Look into it before you give it away.\n",
      file.string(), paths->name());
  return kExitOk;
}

}  // namespace fairlead
