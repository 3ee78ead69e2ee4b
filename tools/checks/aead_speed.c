/* Seals 16 KiB pieces for a moment. Exit 0 if the speed is that of an implementation with AES instructions, or if this
   processor has none. */
#ifdef WOLFSSL_USER_SETTINGS
#include <wolfssl/wolfcrypt/settings.h>
#else
#include <wolfssl/options.h>
#endif
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wolfssl/wolfcrypt/aes.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(void) {
  static unsigned char text[16384], key[16], nonce[12], tag[16];
  static Aes aes;
  double begin, took, speed;
  int i;
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("aes")) return 0;
#endif
  if (wc_AesInit(&aes, NULL, -2) != 0 || wc_AesGcmSetKey(&aes, key, sizeof key) != 0) return 2;
  begin = now();
  for (i = 0; i < 2000; ++i) {
    if (wc_AesGcmEncrypt(&aes, text, text, sizeof text, nonce, sizeof nonce, tag, sizeof tag, NULL, 0) != 0) return 2;
  }
  took = now() - begin;
  speed = 2000.0 * sizeof text / took / 1e6;
  printf("AES-128-GCM at %.0f MB/s, at least 500 expected\n", speed);
  return speed >= 500.0 ? 0 : 1;
}
