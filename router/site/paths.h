// Where a site's files are. The layout below a namespace is Skupper's (input/…, runtime/…), below a data root of our
// own.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "transport/base/error.h"

namespace fairlead {

// $FAIRLEAD_HOME, else /var/lib/fairlead for root, else $XDG_DATA_HOME/fairlead, else ~/.local/share/fairlead. Fails if
// none of them is known or the one that is set is not an absolute path.
Result<std::filesystem::path> data_root();

class NamespacePaths {
 public:
  NamespacePaths(const std::filesystem::path& data_root, std::string_view namespace_name);

  const std::string& name() const noexcept { return name_; }

  const std::filesystem::path& root() const noexcept { return root_; }

  std::filesystem::path input_resources() const { return root_ / "input" / "resources"; }

  std::filesystem::path input_certs() const { return root_ / "input" / "certs"; }

  std::filesystem::path input_issuers() const { return root_ / "input" / "issuers"; }

  std::filesystem::path runtime() const { return root_ / "runtime"; }

  std::filesystem::path runtime_resources() const { return runtime() / "resources"; }

  std::filesystem::path runtime_certs() const { return runtime() / "certs"; }

  std::filesystem::path runtime_issuers() const { return runtime() / "issuers"; }

  std::filesystem::path runtime_grants() const { return runtime() / "grants"; }

  std::filesystem::path runtime_tokens() const { return runtime() / "tokens"; }

  std::filesystem::path site_id() const { return runtime() / "site-id"; }

  std::filesystem::path status() const { return runtime() / "status.json"; }

  std::filesystem::path lock() const { return runtime() / "gateway.lock"; }

  std::filesystem::path admin_socket() const { return runtime() / "gateway.sock"; }

 private:
  std::string name_;
  std::filesystem::path root_;
};

}  // namespace fairlead
