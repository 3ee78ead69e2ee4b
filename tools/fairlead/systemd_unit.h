// The systemd unit of a namespace's gateway.
#pragma once

#include <filesystem>
#include <string>

namespace fairlead {

struct UnitRequest {
  std::string namespace_name;
  std::filesystem::path program;
  std::filesystem::path data_root;
  std::string user;        // that it runs as; empty: a unit of the user who installs it
  bool low_ports = false;  // it listens on a port below 1024, which takes a capability
};

// "fairlead-<namespace>.service".
std::string unit_name(const std::string& namespace_name);

// An unprivileged process that sees the system read-only, and may write below its namespace only.
std::string unit_text(const UnitRequest& request);

}  // namespace fairlead
