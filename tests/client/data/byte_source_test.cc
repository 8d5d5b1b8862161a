#include "client/data/byte_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/client/temporary_file.h"

namespace backprop::client {
namespace {

using testing::HasSubstr;

// Everything, in pieces of `piece` bytes.
absl::StatusOr<std::string> ReadAll(ByteSource& source, size_t piece) {
  std::string all;
  std::string buffer(piece, '\0');
  while (true) {
    const absl::StatusOr<size_t> count = source.Read(buffer);
    if (!count.ok()) return count.status();
    all.append(buffer, 0, *count);
    if (*count < piece) return all;
  }
}

std::string Content() {
  std::string content;
  // Does not compress away: the truncated file must miss some of it.
  for (uint32_t i = 0, state = 1; i < 100'000; ++i)
    content.push_back(static_cast<char>((state = state * 69069 + 1) >> 24));
  return content;
}

TEST(ByteSourceTest, PlainFileIsReadAsItIs) {
  const TemporaryFile file(Content());
  auto source = ByteSource::Open(file.path());
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(ReadAll(*source, 777).value_or(""), Content());
}

TEST(ByteSourceTest, CompressedFileIsUnpacked) {
  const TemporaryFile file(Gzip(Content()));
  auto source = ByteSource::Open(file.path());
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(ReadAll(*source, 777).value_or(""), Content());
}

TEST(ByteSourceTest, RewoundFileIsReadAgain) {
  for (const std::string& stored : {Content(), Gzip(Content())}) {
    const TemporaryFile file(stored);
    auto source = ByteSource::Open(file.path(), /*rewindable=*/true);
    ASSERT_TRUE(source.ok());
    ASSERT_TRUE(ReadAll(*source, 777).ok());
    ASSERT_TRUE(source->Rewind().ok());
    EXPECT_EQ(ReadAll(*source, 777).value_or(""), Content());
  }
}

// Puts `content` on standard input as a pipe, while it lives.
class PipedInput {
 public:
  explicit PipedInput(const std::string& content) : saved_(dup(STDIN_FILENO)) {
    int ends[2] = {};
    EXPECT_EQ(pipe(ends), 0);
    EXPECT_EQ(write(ends[1], content.data(), content.size()), static_cast<ssize_t>(content.size()));
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
  }
  ~PipedInput() {
    dup2(saved_, STDIN_FILENO);
    close(saved_);
  }

 private:
  int saved_;
};

TEST(ByteSourceTest, PipeIsReadTwiceWhenItMustBeRewindable) {
  for (const std::string& stored : {std::string("12345"), Gzip("12345")}) {
    const PipedInput input(stored);
    auto source = ByteSource::Open("-", /*rewindable=*/true);
    ASSERT_TRUE(source.ok()) << source.status();
    EXPECT_EQ(ReadAll(*source, 777).value_or(""), "12345");
    ASSERT_TRUE(source->Rewind().ok());
    EXPECT_EQ(ReadAll(*source, 777).value_or(""), "12345");
  }
}

TEST(ByteSourceTest, PipeIsReadOnceOtherwise) {
  const PipedInput input("12345");
  auto source = ByteSource::Open("-");
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(ReadAll(*source, 777).value_or(""), "12345");
  EXPECT_EQ(source->Rewind().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ByteSourceTest, PlainSizeIsKnown) {
  const TemporaryFile file("12345");
  EXPECT_EQ(ByteSource::Open(file.path())->PlainSize(), 5);
}

TEST(ByteSourceTest, CompressedSizeIsNot) {
  const TemporaryFile file(Gzip("12345"));
  EXPECT_EQ(ByteSource::Open(file.path())->PlainSize(), std::nullopt);
}

TEST(ByteSourceTest, TruncatedCompressedFileIsAnError) {
  const std::string packed = Gzip(Content());
  const TemporaryFile file(packed.substr(0, packed.size() / 2));
  auto source = ByteSource::Open(file.path());
  ASSERT_TRUE(source.ok());
  const auto all = ReadAll(*source, 777);
  EXPECT_EQ(all.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(all.status().message()), HasSubstr("truncated gzip data"));
}

TEST(ByteSourceTest, DamagedCompressedFileIsAnError) {
  std::string packed = Gzip(Content());
  packed[packed.size() - 6] ^= 0x55;  // in the checksum at the end
  const TemporaryFile file(packed);
  auto source = ByteSource::Open(file.path());
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(ReadAll(*source, 777).status(),
            absl::DataLossError(file.path() + ": damaged gzip data: incorrect data check"));
}

// As of files that were compressed one by one and put together.
TEST(ByteSourceTest, SeveralCompressedStreamsAreOneFile) {
  const TemporaryFile file(Gzip(Content()) + Gzip("") + Gzip("tail"));
  auto source = ByteSource::Open(file.path(), /*rewindable=*/true);
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(ReadAll(*source, 777).value_or(""), Content() + "tail");
  ASSERT_TRUE(source->Rewind().ok());
  EXPECT_EQ(ReadAll(*source, 777).value_or(""), Content() + "tail");
}

TEST(ByteSourceTest, WhatFollowsACompressedStreamAndIsNoneIsAnError) {
  std::string second = Gzip("tail");
  second[0] ^= 1;
  for (const std::string& rest : {second, std::string("x"), Content()}) {
    const TemporaryFile file(Gzip(Content()) + rest);
    auto source = ByteSource::Open(file.path());
    ASSERT_TRUE(source.ok());
    EXPECT_EQ(
        ReadAll(*source, 777).status(),
        absl::DataLossError(file.path() + ": damaged gzip data: what follows the compressed data is not compressed"));
  }
}

TEST(ByteSourceTest, FilesOfOneByteAndOfNoneArePlain) {
  for (const char* content : {"", "1", "\x1f"}) {
    const TemporaryFile file(content);
    auto source = ByteSource::Open(file.path());
    ASSERT_TRUE(source.ok());
    EXPECT_EQ(source->PlainSize(), static_cast<int64_t>(std::string(content).size()));
    EXPECT_EQ(ReadAll(*source, 777).value_or("none"), content);
  }
}

TEST(ByteSourceTest, MissingFileIsNotFound) {
  const auto source = ByteSource::Open("/nonexistent/file");
  EXPECT_EQ(source.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(source.status().message()), HasSubstr("/nonexistent/file"));
}

TEST(ByteSourceTest, DirectoryIsAnError) {
  EXPECT_EQ(ByteSource::Open(testing::TempDir()).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace backprop::client
