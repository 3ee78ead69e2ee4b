// Kernel TLS: what a socket with keys does, for each suite: data and control records both ways, against records made in
// user space too; what stands in front of a control record, and errors; whether a key can be replaced.
#include <algorithm>
#include <cerrno>

#include <linux/tls.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "tests/conformance/kernel_test.h"
#include "transport/base/prng.h"
#include "transport/kernel_records.h"
#include "transport/kernel_tls.h"
#include "transport/tls/record.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace fairlead::conformance {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t kData = 23;
constexpr std::uint8_t kHandshake = 22;

class TlsTest : public KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    features_ = probe_kernel_tls(kernel());
    if (!features_.lacking.empty()) GTEST_SKIP() << features_.lacking;
  }

  static TrafficSecret secret_for(CipherSuite suite, std::uint8_t fill) {
    return TrafficSecret(Bytes(hash_size(suite), fill));
  }

  int take_over(const Socket& socket, TlsDirection direction, CipherSuite suite, const TrafficSecret& secret,
                std::uint64_t sequence = 0) {
    return set_kernel_tls_key(kernel(), socket.fd(), direction, suite, secret, sequence);
  }

  // The client sends in the kernel, the server receives there.
  Pair kernel_pair(CipherSuite suite, std::uint64_t sequence = 0) {
    Pair pair = connect_pair();
    const TrafficSecret secret = secret_for(suite, 1);
    EXPECT_EQ(attach_kernel_tls(kernel(), pair.client.fd()), 0);
    EXPECT_EQ(attach_kernel_tls(kernel(), pair.server.fd()), 0);
    EXPECT_EQ(take_over(pair.client, TlsDirection::kSend, suite, secret, sequence), 0);
    EXPECT_EQ(take_over(pair.server, TlsDirection::kReceive, suite, secret, sequence), 0);
    return pair;
  }

  int send_record(const Socket& socket, std::uint8_t type, std::string_view bytes) {
    alignas(cmsghdr) char control[CMSG_SPACE(1)] = {};
    iovec vector{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_TLS;
    header->cmsg_type = TLS_SET_RECORD_TYPE;
    header->cmsg_len = CMSG_LEN(1);
    *CMSG_DATA(header) = type;
    Call& call = new_call();
    ring().submit(call.op, [&](io_uring_sqe* sqe) { io_uring_prep_sendmsg(sqe, socket.fd(), &message, MSG_NOSIGNAL); });
    EXPECT_TRUE(run_until_ended(call));
    return call.last().res;
  }

  struct Received {
    int res = 0;
    std::uint8_t type = 0;
    std::string bytes;
  };

  // One receive with room for the record's type.
  Received receive_record(const Socket& socket, std::size_t bytes_max = 100'000) {
    alignas(cmsghdr) char control[CMSG_SPACE(1)] = {};
    std::string bytes(bytes_max, '\0');
    iovec vector{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    Call& call = new_call();
    ring().submit(call.op, [&](io_uring_sqe* sqe) { io_uring_prep_recvmsg(sqe, socket.fd(), &message, 0); });
    EXPECT_TRUE(run_until_ended(call));
    Received received{call.last().res, 0, {}};
    if (received.res >= 0) received.bytes = bytes.substr(0, static_cast<std::size_t>(received.res));
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_level == SOL_TLS) received.type = *CMSG_DATA(header);
    return received;
  }

  // As many receives as it takes.
  std::string read_data(const Socket& socket, std::size_t size) {
    std::string all;
    while (all.size() < size) {
      const Received received = receive_record(socket, size - all.size());
      EXPECT_EQ(received.type, kData);
      if (received.res <= 0) break;
      all += received.bytes;
    }
    return all;
  }

  static std::string sealed(RecordSealer& sealer, ContentType type, std::string_view text) {
    Bytes plain(text.begin(), text.end());
    plain.push_back(0);
    Bytes record(text.size() + kRecordOverhead);
    sealer.seal(type, plain.data(), text.size(), record.data());
    return {record.begin(), record.end()};
  }

  // Opens all records of `wire` into their contents.
  static std::string opened(RecordOpener& opener, std::string wire) {
    std::string all;
    auto* at = reinterpret_cast<std::uint8_t*>(wire.data());
    for (std::size_t left = wire.size(); left > 0;) {
      const auto length = RecordOpener::peek(at, left);
      if (!length || *length == 0 || *length > left) return "not a whole record";
      const auto record = opener.open(at, *length);
      if (!record) return "damaged";
      all.append(reinterpret_cast<const char*>(record->data), record->size);
      at += *length;
      left -= *length;
    }
    return all;
  }

  KernelTlsFeatures features_;
};

TEST_P(TlsTest, ProtectsEverySuiteInBothDirections) {
  for (const CipherSuite suite : kDefaultSuites) {
    EXPECT_TRUE(features_.offers(suite, TlsDirection::kSend)) << name_of(suite);
    EXPECT_TRUE(features_.offers(suite, TlsDirection::kReceive)) << name_of(suite);
    const Pair pair = kernel_pair(suite, 12'345'678'901);
    const std::string text = pattern(100'000);
    Call& sent = send(pair.client, text);
    EXPECT_TRUE(same(read_data(pair.server, text.size()), text)) << name_of(suite);
    ASSERT_TRUE(run_until_ended(sent));
    EXPECT_EQ(sent.last().res, 100'000);
  }
}

TEST_P(TlsTest, ItsRecordsAreThoseOfUserSpace) {
  for (const CipherSuite suite : kDefaultSuites) {
    const Pair pair = connect_pair();
    ASSERT_EQ(attach_kernel_tls(kernel(), pair.client.fd()), 0);
    RecordSealer sealer(suite, secret_for(suite, 1), 7);
    RecordOpener opener(suite, secret_for(suite, 2), 0);
    ASSERT_EQ(take_over(pair.client, TlsDirection::kReceive, suite, secret_for(suite, 1), 7), 0);
    // Sent before the other direction has a key: as it is.
    send_all(pair.client, "plain");
    EXPECT_EQ(read_exactly(pair.server, 5), "plain");
    ASSERT_EQ(take_over(pair.client, TlsDirection::kSend, suite, secret_for(suite, 2)), 0);
    send_all(pair.server, sealed(sealer, ContentType::kApplicationData, "to the kernel"));
    EXPECT_EQ(read_data(pair.client, 13), "to the kernel");
    send_all(pair.client, "from the kernel");
    EXPECT_EQ(opened(opener, read_exactly(pair.server, 15 + kRecordOverhead)), "from the kernel");
  }
}

TEST_P(TlsTest, WhoDoesTheWorkIsToldForEachDirection) {
  const Pair pair = connect_pair();
  constexpr CipherSuite kSuite = CipherSuite::kAes128Gcm;
  const auto engines = [&] { return kernel().tls_engines(pair.client.fd()); };
  EXPECT_EQ(engines().send, TlsEngine::kUnknown);
  ASSERT_EQ(attach_kernel_tls(kernel(), pair.client.fd()), 0);
  ASSERT_EQ(take_over(pair.client, TlsDirection::kSend, kSuite, secret_for(kSuite, 1)), 0);
  if (engines().send == TlsEngine::kUnknown && geteuid() != 0) GTEST_SKIP() << "only root is told";
  EXPECT_EQ(engines().send, TlsEngine::kSoftware) << "or this kernel has no tcp_diag";
  EXPECT_EQ(engines().receive, TlsEngine::kUnknown);
  ASSERT_EQ(take_over(pair.client, TlsDirection::kReceive, kSuite, secret_for(kSuite, 2)), 0);
  EXPECT_EQ(engines().receive, TlsEngine::kSoftware);
}

TEST_P(TlsTest, WhatLayThereBeforeTheKeyIsOpened) {
  const Pair pair = connect_pair();
  constexpr CipherSuite kSuite = CipherSuite::kAes128Gcm;
  RecordSealer sealer(kSuite, secret_for(kSuite, 1), 0);
  send_all(pair.server, sealed(sealer, ContentType::kApplicationData, "early"));
  settle();
  ASSERT_EQ(attach_kernel_tls(kernel(), pair.client.fd()), 0);
  ASSERT_EQ(take_over(pair.client, TlsDirection::kReceive, kSuite, secret_for(kSuite, 1)), 0);
  EXPECT_EQ(read_data(pair.client, 5), "early");
}

TEST_P(TlsTest, AControlRecordIsReceivedByItself) {
  const Pair pair = kernel_pair(CipherSuite::kAes128Gcm);
  send_all(pair.client, "before");
  ASSERT_EQ(send_record(pair.client, 21, std::string_view("\x01\x00", 2)), 2);
  send_all(pair.client, "after");
  const Received before = receive_record(pair.server);
  EXPECT_EQ(before.bytes, "before");
  EXPECT_EQ(before.type, kData);
  // A receive without room for the type stands in front of it, however often.
  EXPECT_EQ(receive_result(pair.server), -EIO);
  EXPECT_EQ(receive_result(pair.server), -EIO);
  const Received alert = receive_record(pair.server);
  EXPECT_EQ(alert.bytes, std::string("\x01\x00", 2));
  EXPECT_EQ(alert.type, 21);
  EXPECT_EQ(receive_record(pair.server).bytes, "after");
}

TEST_P(TlsTest, AReceiveTakesSeveralRecords) {
  Pair pair = kernel_pair(CipherSuite::kAes128Gcm);
  send_all(pair.client, "one");
  send_all(pair.client, "two");
  settle();
  EXPECT_EQ(receive_record(pair.server).bytes, "onetwo");
  pair.client.shutdown(SHUT_WR);
  EXPECT_EQ(receive_record(pair.server).res, 0);
}

// It knows no MSG_WAITALL, and leaves nothing behind.
TEST_P(TlsTest, AQuietSendIsRefused) {
  Pair pair = kernel_pair(CipherSuite::kAes128Gcm);
  Call& call = new_call();
  ring().submit_send(call.op, true, 5, [&](io_uring_sqe* sqe) {
    io_uring_prep_send(sqe, pair.client.fd(), "quiet", 5, MSG_NOSIGNAL);
  });
  ring().turn(Duration{});
  ASSERT_TRUE(call.ended());
  EXPECT_EQ(call.last().res, -EOPNOTSUPP);
  ASSERT_EQ(send_record(pair.client, kData, "aloud"), 5);
  EXPECT_EQ(read_data(pair.server, 5), "aloud");
}

TEST_P(TlsTest, DamageEndsTheSocket) {
  const Pair pair = connect_pair();
  constexpr CipherSuite kSuite = CipherSuite::kAes128Gcm;
  ASSERT_EQ(attach_kernel_tls(kernel(), pair.client.fd()), 0);
  ASSERT_EQ(take_over(pair.client, TlsDirection::kReceive, kSuite, secret_for(kSuite, 1)), 0);
  RecordSealer sealer(kSuite, secret_for(kSuite, 1), 0);
  std::string record = sealed(sealer, ContentType::kApplicationData, "sound");
  record[7] = static_cast<char>(record[7] ^ 1);
  send_all(pair.server, record);
  EXPECT_EQ(receive_record(pair.client).res, -EBADMSG);
}

TEST_P(TlsTest, AKeyIsReplacedWhereTheKernelSaysSo) {
  constexpr CipherSuite kSuite = CipherSuite::kAes256Gcm;
  const Pair pair = kernel_pair(kSuite);
  KernelKey sends(kernel(), pair.client.fd(), TlsDirection::kSend, kSuite, secret_for(kSuite, 1), features_.rekeys);
  KernelKey receives(kernel(), pair.server.fd(), TlsDirection::kReceive, kSuite, secret_for(kSuite, 1),
                     features_.rekeys);
  if (!features_.rekeys) {
    EXPECT_EQ(sends.advance(), -EBUSY);
    return;
  }
  const std::string update(kKeyUpdateMessage.begin(), kKeyUpdateMessage.end());
  for (int i = 0; i < 50; ++i) {
    send_all(pair.client, "old");
    ASSERT_EQ(send_record(pair.client, kHandshake, update), 5);
    ASSERT_EQ(sends.advance(), 0);
    send_all(pair.client, "new");
    settle();
    EXPECT_EQ(receive_record(pair.server).bytes, "old");
    const Received said = receive_record(pair.server);
    EXPECT_EQ(said.type, kHandshake);
    EXPECT_EQ(said.bytes, update);
    EXPECT_EQ(receive_record(pair.server).res, -EKEYEXPIRED) << "nothing is opened before there is a key";
    ASSERT_EQ(receives.advance(), 0);
    EXPECT_EQ(receive_record(pair.server).bytes, "new");
  }
}

// A stream through a sender and a receiver as sessions have them, with both ends at work at once; keys are replaced in
// every few batches.
TEST_P(TlsTest, AStreamFlowsOnWhileKeysAreReplaced) {
  if (!features_.rekeys) GTEST_SKIP() << "this kernel does not replace keys";
  constexpr CipherSuite kSuite = CipherSuite::kAes128Gcm;
  constexpr std::uint32_t kLinkBlock = 256 * 1024 + sizeof(Block);
  const Pair pair = kernel_pair(kSuite);
  expect_no_padding(kernel(), pair.server.fd());
  const auto pool = BlockPool::open(kLinkBlock, 8).value();
  KernelSender sender({kernel(), pair.client.fd(), TlsDirection::kSend, kSuite, secret_for(kSuite, 1), true},
                      pool->take());
  KernelReceiver receiver({kernel(), pair.server.fd(), TlsDirection::kReceive, kSuite, secret_for(kSuite, 1), true},
                          PostHandshake::Role::kServer, *pool, pool->take());
  const std::string text = pattern(8 << 20);
  std::size_t put = 0;
  std::string taken;
  Prng prng(5);
  Call* sending = nullptr;
  Call* receiving = nullptr;
  for (;;) {
    if (sending != nullptr && sending->ended()) {
      ASSERT_GT(sending->last().res, 0);
      ASSERT_EQ(sender.sent(sending->last().bytes()), 0);
      sending = nullptr;
    }
    if (receiving != nullptr && receiving->ended()) {
      ASSERT_GT(receiving->last().res, 0);
      receiver.received(receiving->last().bytes());
      RecordReceiver::Run run;
      while (receiver.next(run) == RecordReceiver::Next::kFrames)
        taken.append(run.data, run.data + run.size);
      receiving = nullptr;
    }
    if (sending == nullptr && (put < text.size() || sender.pending_bytes() > 0)) {
      if (sender.pending_bytes() == 0) {
        if (prng.below(4) == 0) sender.put_key_update();
        for (std::uint64_t left = 1 + prng.below(30); left > 0 && put < text.size() && sender.room(); --left) {
          const std::size_t size = std::min<std::size_t>(text.size() - put, 1 + prng.below(4096));
          sender.put_frames(reinterpret_cast<const std::uint8_t*>(text.data()) + put,
                            static_cast<std::uint32_t>(size));
          put += size;
        }
        sender.flush();
      }
      sending = &new_call();
      ring().submit(sending->op, [&](io_uring_sqe* sqe) { sender.prepare_send(sqe, pair.client.fd()); });
    }
    if (receiving == nullptr && taken.size() < text.size()) {
      ASSERT_TRUE(receiver.make_room());
      receiving = &new_call();
      const bool wait_first = prng.below(4) != 0;
      ring().submit(receiving->op,
                    [&](io_uring_sqe* sqe) { receiver.prepare_receive(sqe, pair.server.fd(), wait_first); });
    }
    if (sending == nullptr && receiving == nullptr) break;
    ASSERT_TRUE(run_until([&] {
      return (sending != nullptr && sending->ended()) || (receiving != nullptr && receiving->ended());
    })) << "stands still at "
        << taken.size() << " of " << put;
  }
  EXPECT_TRUE(same(taken, text));
}

INSTANTIATE_TEST_SUITE_P(Kernels, TlsTest, testing::Values(KernelKind::kLive, KernelKind::kSim),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace fairlead::conformance
