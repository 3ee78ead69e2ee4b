// The one place where wolfSSL's headers come in, in the order they need, and where its build is checked. Included by
// the .cc files of this folder only.
#pragma once

#include <wolfssl/wolfcrypt/settings.h>

#ifndef HAVE_SECRET_CALLBACK
#error "this wolfSSL is built without HAVE_SECRET_CALLBACK: it cannot hand over the traffic secrets"
#endif
#ifndef ATOMIC_USER
#error "this wolfSSL is built without ATOMIC_USER: it cannot tell record sequence numbers"
#endif
#ifndef WOLFSSL_IP_ALT_NAME
#error "this wolfSSL is built without WOLFSSL_IP_ALT_NAME: it does not keep the IP addresses that certificates name"
#endif
#ifndef WOLFSSL_ALWAYS_VERIFY_CB
#error "this wolfSSL is built without WOLFSSL_ALWAYS_VERIFY_CB: it does not show the chain of a peer that it accepts"
#endif
#if defined(__x86_64__) && !defined(WOLFSSL_AESNI)
#error "this wolfSSL is built without WOLFSSL_AESNI: its AES is some thirty times too slow"
#endif

#include <string>

#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/kdf.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>
#include <wolfssl/wolfcrypt/sha256.h>
#include <wolfssl/wolfcrypt/signature.h>

namespace fairlead {

// wolfSSL wants one call before all others in the process; every entry into this folder that needs it makes it.
void ensure_wolfssl();

// wolfSSL's text for one of its (negative) error numbers, with the number.
std::string wolfssl_error_text(int error);

}  // namespace fairlead
