#include "transport/tls/wolfssl.h"

#include "transport/base/check.h"

namespace fairlead {

void ensure_wolfssl() {
  static const bool initialised = [] {
    CHECK(wolfSSL_Init() == WOLFSSL_SUCCESS);
    return true;
  }();
  static_cast<void>(initialised);
}

std::string wolfssl_error_text(int error) {
  char text[WOLFSSL_MAX_ERROR_SZ];
  wolfSSL_ERR_error_string_n(static_cast<unsigned long>(static_cast<long>(error)), text, sizeof text);
  return std::string(text) + " (wolfSSL " + std::to_string(error) + ")";
}

}  // namespace fairlead
