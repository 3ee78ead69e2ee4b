// The unit of a namespace in systemd: where it is, and what systemctl does with it.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include "transport/base/error.h"

namespace fairlead {

// /etc/systemd/system for root, else the user's own folder of units.
std::filesystem::path unit_file(const std::string& namespace_name);
bool is_unit_installed(const std::string& namespace_name);

// Whether this machine is run by systemd.
bool has_systemd();

// Runs a program to its end; its output is the user's to see. The exit code, or why it could not be run.
Result<int> run_program(const std::vector<std::string>& words);

// systemctl, of the system for root, else of the user.
Result<void> systemctl(std::initializer_list<std::string> words);

}  // namespace fairlead
