// cereal archives over bytes in memory: little-endian, without padding. Unlike cereal's own, the reader never allocates
// more than its bytes could fill, whatever sizes they claim.
#pragma once

#include <bit>
#include <cereal/cereal.hpp>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace backprop::server {

static_assert(std::endian::native == std::endian::little, "session files are little-endian");

// Appends to a string. Not thread-safe.
class ByteWriter : public cereal::OutputArchive<ByteWriter> {
 public:
  ByteWriter() : OutputArchive(this) {}

  void Write(const void* data, size_t size) { bytes_.append(static_cast<const char*>(data), size); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Reads borrowed bytes; throws cereal::Exception where they end too early. Not thread-safe.
class ByteReader : public cereal::InputArchive<ByteReader> {
 public:
  explicit ByteReader(std::string_view bytes) : InputArchive(this), bytes_(bytes) {}

  void Read(void* data, size_t size) {
    CheckRoom(size);
    if (size > 0) std::memcpy(data, bytes_.data(), size);
    bytes_.remove_prefix(size);
  }
  // Throws unless `count` elements of a byte or more can still follow.
  void CheckRoom(uint64_t count) const {
    if (count > bytes_.size()) throw cereal::Exception("the bytes end too early");
  }
  void CheckAtEnd() const {
    if (!bytes_.empty()) throw cereal::Exception("there are bytes behind the end");
  }

 private:
  std::string_view bytes_;
};

template <typename T>
requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(ByteWriter& writer, const T& value) { writer.Write(&value, sizeof(value)); }
template <typename T>
requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(ByteReader& reader, T& value) { reader.Read(&value, sizeof(value)); }
// Any other byte than 0 and 1 is not a bool.
inline void CEREAL_LOAD_FUNCTION_NAME(ByteReader& reader, bool& value) {
  uint8_t byte = 0;
  reader.Read(&byte, sizeof(byte));
  if (byte > 1) throw cereal::Exception("a truth value is neither true nor false");
  value = byte == 1;
}

template <typename T>
void CEREAL_SAVE_FUNCTION_NAME(ByteWriter& writer, const cereal::BinaryData<T>& data) {
  writer.Write(data.data, static_cast<size_t>(data.size));
}
template <typename T>
void CEREAL_LOAD_FUNCTION_NAME(ByteReader& reader, cereal::BinaryData<T>& data) {
  reader.Read(data.data, static_cast<size_t>(data.size));
}

template <typename T>
void CEREAL_SAVE_FUNCTION_NAME(ByteWriter& writer, const cereal::SizeTag<T>& tag) {
  writer(static_cast<uint64_t>(tag.size));
}
template <typename T>
void CEREAL_LOAD_FUNCTION_NAME(ByteReader& reader, cereal::SizeTag<T>& tag) {
  uint64_t size = 0;
  reader(size);
  reader.CheckRoom(size);
  tag.size = static_cast<std::remove_reference_t<decltype(tag.size)>>(size);
}

template <typename T>
void CEREAL_SERIALIZE_FUNCTION_NAME(ByteWriter& writer, cereal::NameValuePair<T>& pair) {
  writer(pair.value);
}
template <typename T>
void CEREAL_SERIALIZE_FUNCTION_NAME(ByteReader& reader, cereal::NameValuePair<T>& pair) {
  reader(pair.value);
}

}  // namespace backprop::server

CEREAL_SETUP_ARCHIVE_TRAITS(backprop::server::ByteReader, backprop::server::ByteWriter)
