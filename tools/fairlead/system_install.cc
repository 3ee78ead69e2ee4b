// `fairlead system install|uninstall`: the gateway of a namespace as a service of systemd.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "router/site/files.h"
#include "router/site/site_loader.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/systemd_service.h"
#include "tools/fairlead/systemd_unit.h"

namespace fairlead {

namespace {

int failed(const Error& error) {
  print_error(error);
  return kExitFailed;
}

// A user of the system's own, without a password or a shell.
Result<const passwd*> ensure_user(const std::string& name) {
  if (const passwd* const known = ::getpwnam(name.c_str())) return known;
  const auto code = run_program({"useradd", "--system", "--user-group", "--no-create-home", "--home-dir",
                                 "/var/lib/fairlead", "--shell", "/usr/sbin/nologin", name});
  if (!code) return std::unexpected(code.error());
  if (const passwd* const made = ::getpwnam(name.c_str()); *code == 0 && made != nullptr) return made;
  return fail(ErrorCode::kSystem, fmt::format("the user {} cannot be made (useradd: {}); make it, or name another one "
                                              "with --user",
                                              name, *code));
}

// The namespace belongs to who runs it; what commands write there later does too.
Result<void> give(const std::filesystem::path& root, const passwd& user) {
  const auto own = [&](const std::filesystem::path& path) -> Result<void> {
    if (::lchown(path.c_str(), user.pw_uid, user.pw_gid) == 0) return {};
    return std::unexpected(error_from_errno(errno, "cannot give " + path.string() + " to " + user.pw_name));
  };
  if (auto done = own(root); !done) return done;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    if (auto done = own(entry->path()); !done) return done;
  }
  if (error) return fail(ErrorCode::kSystem, fmt::format("cannot read {}: {}", root.string(), error.message()));
  return {};
}

// Of what is in the input now, valid or not.
bool has_low_ports(const NamespacePaths& paths) {
  constexpr std::uint16_t kFirstFree = 1024;
  const auto site = load_namespace(paths);
  const Resources& resources = site->resources;
  const auto is_low = [](std::uint16_t port) { return port != 0 && port < kFirstFree; };
  const auto has_low_role = [&](const RouterAccess& access) {
    return std::ranges::any_of(access.roles, is_low, &RouterAccessRole::port);
  };
  const auto of_site = [&](const Site& of) {
    return is_low(of.grant_server.port) || (of.metrics && is_low(of.metrics->port));
  };
  return std::ranges::any_of(resources.listeners, is_low, &Listener::port) ||
         std::ranges::any_of(resources.multi_key_listeners, is_low, &MultiKeyListener::port) ||
         std::ranges::any_of(resources.router_accesses, has_low_role) || std::ranges::any_of(resources.sites, of_site);
}

}  // namespace

int install_service(const CommonArguments& common, const SystemInstallArguments& arguments) {
  const auto root = data_root();
  if (!root) return failed(root.error());
  const NamespacePaths paths(*root, common.namespace_name);
  std::error_code error;
  UnitRequest request{common.namespace_name, std::filesystem::read_symlink("/proc/self/exe", error), *root, {}, false};
  if (error) return failed({ErrorCode::kSystem, "cannot find the program's own file: " + error.message()});
  const bool of_system = ::geteuid() == 0;
  if (of_system) request.user = arguments.user;
  request.low_ports = has_low_ports(paths);
  const std::string text = unit_text(request);
  if (arguments.print) {
    fmt::print("{}", text);
    return kExitOk;
  }
  for (const auto& directory : {paths.input_resources(), paths.runtime()}) {
    if (auto made = make_directory(directory, kPublicDirectoryMode); !made) return failed(made.error());
  }
  if (of_system) {
    const auto user = ensure_user(arguments.user);
    if (!user) return failed(user.error());
    if (auto given = give(paths.root(), **user); !given) return failed(given.error());
  }
  const auto file = unit_file(common.namespace_name);
  if (auto made = make_directory(file.parent_path(), kPublicDirectoryMode); !made) return failed(made.error());
  if (auto written = write_file(file, text, kPublicFileMode, Durability::kSync); !written)
    return failed(written.error());
  fmt::print("The unit is {}.\n", file.string());
  if (!has_systemd()) {
    fmt::print(stderr, "fairlead: this machine is not run by systemd now: the unit is not enabled\n");
    return kExitOk;
  }
  if (auto done = systemctl({"daemon-reload"}); !done) return failed(done.error());
  if (auto done = systemctl({"enable", unit_name(common.namespace_name)}); !done) return failed(done.error());
  fmt::print("It starts with the machine; now, with: fairlead system start -n {}\n", common.namespace_name);
  return kExitOk;
}

int uninstall_service(const CommonArguments& common, const SystemUninstallArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  const auto file = unit_file(common.namespace_name);
  if (!is_unit_installed(common.namespace_name)) {
    fmt::print("There is no unit {}.\n", file.string());
    return kExitOk;
  }
  if (is_gateway_running(paths->lock()) && !arguments.force) {
    fmt::print(stderr,
               "fairlead: the gateway runs; end it first with 'fairlead system stop', or do both with --force\n");
    return kExitInvalid;
  }
  if (has_systemd()) {
    if (auto done = systemctl({"disable", "--now", unit_name(common.namespace_name)}); !done)
      return failed(done.error());
  }
  std::error_code error;
  std::filesystem::remove(file, error);
  if (error) return failed({ErrorCode::kSystem, fmt::format("cannot remove {}: {}", file.string(), error.message())});
  if (has_systemd()) {
    if (auto done = systemctl({"daemon-reload"}); !done) return failed(done.error());
  }
  fmt::print("The unit {} is removed; the resources are as they were.\n", file.string());
  return kExitOk;
}

}  // namespace fairlead
