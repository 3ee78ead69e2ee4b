#include "tools/fairlead/systemd_unit.h"

#include <fmt/format.h>

namespace fairlead {

namespace {

constexpr char kLowPorts[] =
    "# For ports below 1024, and nothing else.\n"
    "AmbientCapabilities=CAP_NET_BIND_SERVICE\n"
    "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n";
constexpr char kNoCapability[] =
    "# No port of this site is below 1024; with one, install the service again.\n"
    "CapabilityBoundingSet=\n"
    "PrivateUsers=yes\n";

// What systemd reads in a unit: a percent sign is written twice, and words with spaces in quotes.
std::string quoted(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '%') result += '%';
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result.find(' ') == std::string::npos ? result : "\"" + result + "\"";
}

// What the gateway needs must not be hidden from it.
bool needs_homes(const UnitRequest& request) {
  for (const std::filesystem::path& path : {request.program, request.data_root}) {
    for (const char* const home : {"/home/", "/root/", "/run/user/"}) {
      if (path.string().starts_with(home)) return true;
    }
  }
  return false;
}

}  // namespace

std::string unit_name(const std::string& namespace_name) {
  return fmt::format("fairlead-{}.service", namespace_name);
}

std::string unit_text(const UnitRequest& request) {
  const std::string program = quoted(request.program.string());
  const bool of_system = !request.user.empty();
  std::string text = fmt::format(
      "# Made by 'fairlead system install'; 'fairlead system uninstall' removes it.\n"
      "[Unit]\n"
      "Description=fairlead site gateway, namespace {0}\n"
      "Wants=network-online.target\n"
      "After=network-online.target\n"
      "\n"
      "[Service]\n"
      "Type=notify\n"
      "Environment={2}\n"
      "ExecStart={1} run -n {0}\n"
      "ExecReload={1} system reload -n {0}\n"
      "Restart=on-failure\n"
      "RestartSec=1\n"
      "# The resources are not valid: starting again does not help.\n"
      "RestartPreventExitStatus=2\n"
      "WatchdogSec=20\n"
      "# Connections have 30 s to finish.\n"
      "TimeoutStopSec=45\n"
      "LimitNOFILE=1048576\n"
      "LimitMEMLOCK=infinity\n"
      "UMask=0077\n"
      "NoNewPrivileges=yes\n",
      request.namespace_name, program, quoted("FAIRLEAD_HOME=" + request.data_root.string()));
  if (of_system) {
    const std::string place = (request.data_root / "namespaces" / request.namespace_name).string();
    text += fmt::format(
        "User={0}\n"
        "Group={0}\n"
        "{3}"
        "ProtectSystem=strict\n"
        "ReadWritePaths={1}\n"
        "ProtectHome={2}\n"
        "PrivateTmp=yes\n"
        "PrivateMounts=yes\n"
        "PrivateDevices=yes\n"
        "DevicePolicy=closed\n"
        "ProtectClock=yes\n"
        "ProtectControlGroups=yes\n"
        "ProtectHostname=yes\n"
        "ProtectKernelLogs=yes\n"
        "ProtectKernelModules=yes\n"
        "ProtectKernelTunables=yes\n"
        "ProtectProc=invisible\n"
        "ProcSubset=pid\n"
        "RemoveIPC=yes\n"
        "KeyringMode=private\n"
        "# Netlink tells whether a network card encrypts.\n"
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n",
        request.user, quoted(place), needs_homes(request) ? "read-only" : "yes",
        request.low_ports ? kLowPorts : kNoCapability);
  }
  return text +
         "RestrictNamespaces=yes\n"
         "RestrictRealtime=yes\n"
         "RestrictSUIDSGID=yes\n"
         "LockPersonality=yes\n"
         "MemoryDenyWriteExecute=yes\n"
         "SystemCallArchitectures=native\n"
         "SystemCallFilter=@system-service\n"
         "SystemCallFilter=~@privileged\n"
         "SystemCallErrorNumber=EPERM\n"
         "\n"
         "[Install]\n"
         "WantedBy=" +
         (of_system ? "multi-user.target\n" : "default.target\n");
}

}  // namespace fairlead
