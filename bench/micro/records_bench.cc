// Sealing and opening records, beside the bare AEAD over the same bytes: what the record layer adds is the difference.
// It should keep at least 90 % of the AEAD's speed at full records.
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "transport/tls/record.h"

namespace fairlead {
namespace {

using Bytes = std::vector<std::uint8_t>;

TrafficSecret secret_for(CipherSuite suite) {
  return TrafficSecret(Bytes(hash_size(suite), 0x42));
}

// The nonce of a real record layer is different each time, so ours is too.
struct Nonce {
  std::uint8_t bytes[kNonceSize] = {};

  const std::uint8_t* next() {
    std::uint64_t number = 0;
    std::memcpy(&number, bytes, sizeof number);
    ++number;
    std::memcpy(bytes, &number, sizeof number);
    return bytes;
  }
};

void aead_seal(benchmark::State& state, CipherSuite suite) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const Bytes key(key_size(suite), 0x17);
  Aead aead(suite, key);
  Nonce nonce;
  const Bytes aad(kRecordHeader);
  const Bytes in(size);
  Bytes out(size + kTagSize);
  for (auto _ : state) {
    aead.seal(nonce.next(), aad, in.data(), size, out.data(), out.data() + size);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// Opens the same ciphertext again and again, as the record bench below does.
void aead_open(benchmark::State& state, CipherSuite suite) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const Bytes key(key_size(suite), 0x17);
  Aead aead(suite, key);
  const Bytes nonce(kNonceSize);
  const Bytes aad(kRecordHeader);
  Bytes sealed(size + kTagSize);
  aead.seal(nonce.data(), aad, Bytes(size).data(), size, sealed.data(), sealed.data() + size);
  Bytes out(size);
  for (auto _ : state) {
    if (!aead.open(nonce.data(), aad, sealed.data(), size, sealed.data() + size, out.data())) {
      state.SkipWithError("the tag does not fit");
      break;
    }
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void record_seal(benchmark::State& state, CipherSuite suite) {
  const auto size = static_cast<std::size_t>(state.range(0));
  RecordSealer sealer(suite, secret_for(suite), 0);
  Bytes text(size + 1);
  Bytes record(size + kRecordOverhead);
  Bytes update(kKeyUpdateRecord);
  for (auto _ : state) {
    if (sealer.records() == kRecordsPerKey) sealer.key_update(update.data(), false);
    sealer.seal(ContentType::kApplicationData, text.data(), size, record.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

// Batches of records sealed beforehand, outside the time: opening is in place and cannot be repeated on one record.
void record_open(benchmark::State& state, CipherSuite suite) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const std::size_t record_bytes = size + kRecordOverhead;
  // As much as a session receives at once, so that the cache is as warm as there.
  const std::size_t count = std::max<std::size_t>(1, 128 * 1024 / record_bytes);
  RecordSealer sealer(suite, secret_for(suite), 0);
  Bytes text(size + 1);
  Bytes sealed(count * record_bytes);
  for (std::size_t i = 0; i < count; ++i) {
    sealer.seal(ContentType::kApplicationData, text.data(), size, sealed.data() + i * record_bytes);
  }
  Bytes records;
  std::unique_ptr<RecordOpener> opener;
  std::int64_t opened = 0;
  for (auto _ : state) {
    state.PauseTiming();
    records = sealed;
    opener = std::make_unique<RecordOpener>(suite, secret_for(suite), 0);
    state.ResumeTiming();
    for (std::size_t i = 0; i < count; ++i) {
      if (!opener->open(records.data() + i * record_bytes, record_bytes)) {
        state.SkipWithError("a record that does not open");
        return;
      }
    }
    opened += static_cast<std::int64_t>(count);
  }
  state.SetBytesProcessed(opened * state.range(0));
  state.SetItemsProcessed(opened);
}

using Case = void (*)(benchmark::State&, CipherSuite);

void add(const char* what, Case bench, CipherSuite suite) {
  std::string name(name_of(suite));
  name.erase(0, std::strlen("TLS_"));
  benchmark::RegisterBenchmark((name + "/" + what).c_str(), bench, suite)
      ->Arg(64)
      ->Arg(256)
      ->Arg(1024)
      ->Arg(4096)
      ->Arg(16'384);
}

[[maybe_unused]] const bool kRegistered = [] {
  for (const CipherSuite suite : kDefaultSuites) {
    add("aead_seal", aead_seal, suite);
    add("record_seal", record_seal, suite);
    add("aead_open", aead_open, suite);
    add("record_open", record_open, suite);
  }
  return true;
}();

}  // namespace
}  // namespace fairlead
