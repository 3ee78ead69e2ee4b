#ifdef WOLFSSL_USER_SETTINGS
#include <wolfssl/wolfcrypt/settings.h>
#else
#include <wolfssl/options.h>
#endif
#include <wolfssl/ssl.h>
#ifndef HAVE_SECRET_CALLBACK
#error "HAVE_SECRET_CALLBACK is off"
#endif
#if defined(WOLFSSL_USER_SETTINGS) && defined(__x86_64__) && !defined(WOLFSSL_AESNI)
#error "WOLFSSL_AESNI is off"
#endif
int main(void) { return wolfSSL_set_tls13_secret_cb(0, 0, 0); }
