#include "transport/tls/wolfssl.h"

#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/sha512.h>

#include "transport/base/check.h"

namespace fairlead {

namespace {

// wolfCrypt looks at the CPU when an algorithm is first used, and keeps what it finds in plain variables that threads
// would write and read at the same time. So each algorithm that does is used once before there can be a second thread.
bool use_each_algorithm_once() {
  byte bytes[WC_SHA512_DIGEST_SIZE] = {};
  byte tag[CHACHA20_POLY1305_AEAD_AUTHTAG_SIZE];
  bool good = wc_Sha256Hash(bytes, 1, bytes) == 0 && wc_Sha512Hash(bytes, 1, bytes) == 0 &&
              wc_ChaCha20Poly1305_Encrypt(bytes, bytes, bytes, 1, bytes, 1, bytes, tag) == 0;
  Aes aes;
  good = good && wc_AesInit(&aes, nullptr, INVALID_DEVID) == 0;
  good = good && wc_AesGcmSetKey(&aes, bytes, AES_128_KEY_SIZE) == 0;
  wc_AesFree(&aes);
  // A private key as RFC 7748 wants it: the lowest three bits and the highest are 0, the one below that is 1.
  byte private_key[CURVE25519_KEYSIZE] = {};
  private_key[CURVE25519_KEYSIZE - 1] = 0x40;
  byte public_key[CURVE25519_KEYSIZE];
  good = good && wc_curve25519_make_pub(CURVE25519_KEYSIZE, public_key, CURVE25519_KEYSIZE, private_key) == 0;
  return good;
}

}  // namespace

void ensure_wolfssl() {
  static const bool initialised = wolfSSL_Init() == WOLFSSL_SUCCESS && use_each_algorithm_once();
  CHECK(initialised);
}

std::string wolfssl_error_text(int error) {
  char text[WOLFSSL_MAX_ERROR_SZ];
  wolfSSL_ERR_error_string_n(static_cast<unsigned long>(static_cast<long>(error)), text, sizeof text);
  return std::string(text) + " (wolfSSL " + std::to_string(error) + ")";
}

}  // namespace fairlead
