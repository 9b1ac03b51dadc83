package org.deid.parquet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.crypto.KeyAccessDeniedException;
import org.apache.parquet.crypto.ParquetCryptoRuntimeException;
import org.apache.parquet.crypto.keytools.KmsClient;

/**
 * Opens the data keys of a {@code columns} release for parquet-java, hence for Spark: reading only.
 *
 * <p>It has no key provider of its own. For each column group it runs a command that the job's owner configured, and
 * that asks the site's provider: see docs/formats/keys.md, "Spark and other readers in Java". A key is kept for 60
 * seconds.
 *
 * <ul>
 *   <li>{@code deid.keys.command}: the command, words apart by spaces, for instance {@code deid keys unwrap}
 *   <li>{@code deid.keys.release}: the release's folder, which is given to the command before the group's name
 * </ul>
 */
public final class DeidKmsClient implements KmsClient {
  private static final long KEPT_NANOS = TimeUnit.SECONDS.toNanos(60);
  private static final int NONCE = 12;
  private static final int MAX_METADATA = 16 * 1024;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Map<String, Kek> kept = new ConcurrentHashMap<>();
  private List<String> command;
  private String folder;

  private record Kek(String release, String id, byte[] key, long since) {}

  @Override
  public void initialize(Configuration configuration, String instanceId, String instanceUrl, String token) {
    String words = configuration.getTrimmed("deid.keys.command", "");
    folder = configuration.getTrimmed("deid.keys.release", "");
    if (words.isEmpty() || folder.isEmpty()) {
      throw new ParquetCryptoRuntimeException("set deid.keys.command and deid.keys.release");
    }
    command = List.of(words.split(" +"));
  }

  @Override
  public String wrapKey(byte[] key, String group) {
    throw new UnsupportedOperationException("releases are written by deid only");
  }

  @Override
  public byte[] unwrapKey(String metadata, String group) {
    try {
      JsonNode fields = metadata.length() > MAX_METADATA ? null : JSON.readTree(metadata);
      if (fields == null || fields.path("v").asInt() != 2 || fields.size() != 3) {
        throw new ParquetCryptoRuntimeException("the keys of the column group " + group + " are of another format");
      }
      Kek kek = kek(group);
      byte[] sealed = Base64.getDecoder().decode(fields.path("wdek").asText());
      Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
      SecretKeySpec key = new SecretKeySpec(kek.key(), "AES");
      cipher.init(Cipher.DECRYPT_MODE, key, new GCMParameterSpec(128, sealed, 0, NONCE));
      // The id is part of what the tag covers: a file that names another KEK does not open.
      cipher.updateAAD(context("deid/dek/v1", kek.release(), group, fields.path("kek").asText()));
      return cipher.doFinal(sealed, NONCE, sealed.length - NONCE);
    } catch (IOException | IllegalArgumentException | GeneralSecurityException e) {
      // The cause may quote what was read; the message does not.
      throw new ParquetCryptoRuntimeException("the keys of the column group " + group + " do not open");
    }
  }

  private Kek kek(String group) throws IOException {
    Kek found = kept.get(group);
    if (found == null || System.nanoTime() - found.since() > KEPT_NANOS) {
      kept.remove(group);
      found = ask(group);
      kept.put(group, found);
    }
    return found;
  }

  private Kek ask(String group) throws IOException {
    List<String> words = new ArrayList<>(command);
    words.add(folder);
    words.add(group);
    Process process = new ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    process.getOutputStream().close();
    byte[] answer;
    try (InputStream out = process.getInputStream()) {
      answer = out.readNBytes(4096);
    }
    try {
      if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
        process.destroyForcibly();
        throw new KeyAccessDeniedException("the key of the column group " + group + " was refused");
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
      throw new IOException("interrupted");
    }
    String[] parts = new String(answer, StandardCharsets.US_ASCII).trim().split(" ");
    Arrays.fill(answer, (byte) 0);
    if (parts.length != 3) {
      throw new IOException("no key");
    }
    return new Kek(parts[0], parts[1], Base64.getDecoder().decode(parts[2]), System.nanoTime());
  }

  /** A count, then each part behind its length, as docs/formats/keys.md, "Context encoding", says. */
  private static byte[] context(String... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(ByteBuffer.allocate(4).putInt(parts.length).array());
    for (String part : parts) {
      byte[] text = part.getBytes(StandardCharsets.UTF_8);
      out.writeBytes(ByteBuffer.allocate(4).putInt(text.length).array());
      out.writeBytes(text);
    }
    return out.toByteArray();
  }
}
