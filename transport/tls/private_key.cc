#include "transport/tls/private_key.h"

#include <array>

#include "transport/base/check.h"
#include "transport/tls/secret.h"

namespace fairlead {

namespace {

constexpr int kP256Bytes = 32;
constexpr std::size_t kKeyDerMax = 512;

std::unexpected<Error> failed(std::string_view what, int error) {
  return fail(ErrorCode::kSystem, std::string(what).append(": ").append(wolfssl_error_text(error)));
}

}  // namespace

Result<std::unique_ptr<Random>> Random::open() {
  ensure_wolfssl();
  std::unique_ptr<Random> random(new Random);
  if (const int error = wc_InitRng(&random->rng_); error != 0) return failed("no random numbers to be had", error);
  return random;
}

PrivateKey::PrivateKey(KeyKind kind) noexcept : kind_(kind) {
  CHECK((kind_ == KeyKind::kP256 ? wc_ecc_init(&ecc_) : wc_ed25519_init(&ed25519_)) == 0);
}

PrivateKey::~PrivateKey() {
  if (kind_ == KeyKind::kP256) {
    wc_ecc_free(&ecc_);
  } else {
    wc_ed25519_free(&ed25519_);
  }
}

Result<std::unique_ptr<PrivateKey>> PrivateKey::generate(KeyKind kind, Random& random) {
  std::unique_ptr<PrivateKey> key(new PrivateKey(kind));
  const int error = kind == KeyKind::kP256 ? wc_ecc_make_key_ex(random.get(), kP256Bytes, &key->ecc_, ECC_SECP256R1)
                                           : wc_ed25519_make_key(random.get(), ED25519_KEY_SIZE, &key->ed25519_);
  if (error != 0) return failed("cannot make a key", error);
  return key;
}

Result<std::unique_ptr<PrivateKey>> PrivateKey::from_pem(const std::string& pem) {
  ensure_wolfssl();
  DerBuffer* der = nullptr;
  if (const int error = wc_PemToDer(reinterpret_cast<const unsigned char*>(pem.data()), static_cast<long>(pem.size()),
                                    PRIVATEKEY_TYPE, &der, nullptr, nullptr, nullptr);
      error != 0) {
    wc_FreeDer(&der);  // it is there even so
    return failed("not a PEM private key", error);
  }
  Result<std::unique_ptr<PrivateKey>> result =
      fail(ErrorCode::kUnsupported, "the private key is of a kind that cannot be used: P-256 or Ed25519 is needed");
  for (const KeyKind kind : {KeyKind::kP256, KeyKind::kEd25519}) {
    std::unique_ptr<PrivateKey> key(new PrivateKey(kind));
    if (key->decode(*der) != 0) continue;
    result = std::move(key);
    break;
  }
  wipe(der->buffer, der->length);
  wc_FreeDer(&der);
  return result;
}

int PrivateKey::decode(const DerBuffer& der) {
  word32 at = 0;
  if (kind_ == KeyKind::kP256) return wc_EccPrivateKeyDecode(der.buffer, &at, &ecc_, der.length);
  int error = wc_Ed25519PrivateKeyDecode(der.buffer, &at, &ed25519_, der.length);
  // PKCS#8 files hold the private part only, and signing wants both.
  std::array<byte, ED25519_PUB_KEY_SIZE> public_key;
  if (error == 0) error = wc_ed25519_make_public(&ed25519_, public_key.data(), ED25519_PUB_KEY_SIZE);
  if (error == 0) error = wc_ed25519_import_public(public_key.data(), ED25519_PUB_KEY_SIZE, &ed25519_);
  return error;
}

Result<std::string> PrivateKey::to_pem() {
  std::array<byte, kKeyDerMax> der;
  word32 size = kKeyDerMax;
  int result = 0;
  if (kind_ == KeyKind::kP256) {
    result = wc_EccKeyToPKCS8(&ecc_, der.data(), &size);
  } else {
    result = wc_Ed25519PrivateKeyToDer(&ed25519_, der.data(), size);
    size = result > 0 ? static_cast<word32>(result) : 0;
  }
  auto pem =
      result < 0 ? failed("cannot write the key", result) : pem_of(std::span(der).first(size), PKCS8_PRIVATEKEY_TYPE);
  wipe(der.data(), der.size());
  return pem;
}

Result<std::string> PrivateKey::public_der() {
  std::array<byte, kKeyDerMax> der;
  constexpr int kWithAlgorithm = 1;
  const int size = kind_ == KeyKind::kP256
                       ? wc_EccPublicKeyToDer(&ecc_, der.data(), kKeyDerMax, kWithAlgorithm)
                       : wc_Ed25519PublicKeyToDer(&ed25519_, der.data(), kKeyDerMax, kWithAlgorithm);
  if (size <= 0) return failed("cannot write the public key", size);
  return std::string(der.begin(), der.begin() + size);
}

std::string_view PrivateKey::signature_algorithm() const noexcept {
  using namespace std::string_view_literals;
  // SEQUENCE { OBJECT IDENTIFIER ecdsa-with-SHA256 } and SEQUENCE { OBJECT IDENTIFIER id-Ed25519 }.
  return kind_ == KeyKind::kP256 ? "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"sv
                                 : "\x30\x05\x06\x03\x2b\x65\x70"sv;
}

Result<std::string> PrivateKey::sign(std::string_view to_be_signed, Random& random) {
  constexpr std::size_t kSignatureMax = 256;  // with its algorithm and the headers around all
  std::string certificate(to_be_signed);
  certificate.resize(to_be_signed.size() + kSignatureMax);
  const int size =
      wc_SignCert_ex(static_cast<int>(to_be_signed.size()), kind_ == KeyKind::kP256 ? CTC_SHA256wECDSA : CTC_ED25519,
                     reinterpret_cast<byte*>(certificate.data()), static_cast<word32>(certificate.size()),
                     kind_ == KeyKind::kP256 ? ECC_TYPE : ED25519_TYPE,
                     kind_ == KeyKind::kP256 ? static_cast<void*>(&ecc_) : &ed25519_, random.get());
  if (size <= 0) return failed("cannot sign", size);
  certificate.resize(static_cast<std::size_t>(size));
  return certificate;
}

Result<std::string> pem_of(std::span<const byte> der, int type) {
  const auto der_size = static_cast<word32>(der.size());
  const int needed = wc_DerToPem(der.data(), der_size, nullptr, 0, type);
  if (needed <= 0) return failed("cannot write PEM", needed);
  std::string pem(static_cast<std::size_t>(needed), '\0');
  const int written =
      wc_DerToPem(der.data(), der_size, reinterpret_cast<byte*>(pem.data()), static_cast<word32>(pem.size()), type);
  if (written <= 0) return failed("cannot write PEM", written);
  pem.resize(static_cast<std::size_t>(written));
  return pem;
}

}  // namespace fairlead
