/* Compiles only with a wolfSSL that has what links need. */
#ifdef WOLFSSL_USER_SETTINGS
#include <wolfssl/wolfcrypt/settings.h>
#else
#include <wolfssl/options.h>
#endif
#include <wolfssl/ssl.h>

#if !defined(WOLFSSL_TLS13) || !defined(HAVE_ALPN) || !defined(HAVE_SNI)
#error "wolfSSL lacks TLS 1.3, ALPN or SNI"
#endif
#ifndef HAVE_SECRET_CALLBACK
#error "wolfSSL lacks HAVE_SECRET_CALLBACK, through which the traffic secrets come"
#endif
#ifndef ATOMIC_USER
#error "wolfSSL lacks ATOMIC_USER, through which the record numbers come"
#endif
#ifndef WOLFSSL_ALWAYS_VERIFY_CB
#error "wolfSSL lacks WOLFSSL_ALWAYS_VERIFY_CB, through which the chain of a good peer comes"
#endif
#if !defined(HAVE_AESGCM) || !defined(HAVE_CHACHA) || !defined(HAVE_POLY1305)
#error "wolfSSL lacks AES-GCM or ChaCha20-Poly1305"
#endif
#if !defined(WOLFSSL_CERT_GEN) || !defined(WOLFSSL_CERT_EXT) || !defined(WOLFSSL_ALT_NAMES) || !defined(WOLFSSL_KEY_GEN)
#error "wolfSSL cannot make certificates with subject alternative names"
#endif
/* What the bundled one is for. The installed one is judged by its speed: its options say less than they seem to. */
#if defined(WOLFSSL_USER_SETTINGS) && defined(__x86_64__) && \
    !(defined(WOLFSSL_AESNI) && defined(USE_INTEL_SPEEDUP) && defined(WOLFSSL_SP_X86_64_ASM))
#error "wolfSSL's assembly is switched off"
#endif

int main(void) { return wolfSSL_set_tls13_secret_cb(0, 0, 0); }
