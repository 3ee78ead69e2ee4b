// runtime/gateway.sock: the admin API of a running gateway, HTTP/1.1 and JSON (admin_api.h says what there is). The
// user that runs the gateway, and root, may ask: the file has mode 0600, and who connects is asked for by name as well.
//
// Main thread only.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include <poll.h>

#include "tools/fairlead/polled_http.h"
#include "transport/base/error.h"
#include "transport/base/fd.h"

namespace fairlead {

class AdminSocket {
 public:
  // Takes the place of what an earlier gateway left there.
  static Result<std::unique_ptr<AdminSocket>> open(const std::filesystem::path& path);
  ~AdminSocket();
  AdminSocket(const AdminSocket&) = delete;
  AdminSocket& operator=(const AdminSocket&) = delete;

  PolledHttp& http() noexcept { return http_; }

 private:
  AdminSocket(std::filesystem::path path, Fd listening);

  std::filesystem::path path_;
  PolledHttp http_;
};

}  // namespace fairlead
