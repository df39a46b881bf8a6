// Bodies of requests -> what is asked for, or an error that names the field.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RequestError, readRequest } from "../../src/serve/request.js";

const messages = [{ role: "user", content: "Hi" }];

describe("a request", () => {
  it("is read with OpenAI's defaults", () => {
    expect(readRequest({ messages }, "chat")).toEqual({
      model: undefined,
      prompt: { messages },
      sampling: { maxNewTokens: undefined, temperature: 1, topP: 1, seed: undefined },
      stop: [],
      stream: false,
      includeUsage: false,
    });
    expect(
      readRequest(
        {
          model: "m",
          prompt: ["Once"],
          max_tokens: 5,
          temperature: 0,
          top_p: 0.5,
          seed: 3,
          stop: "x",
          stream: true,
          stream_options: { include_usage: true },
          n: 1,
          tools: [],
          logprobs: null,
          user: "me",
        },
        "text",
      ),
    ).toEqual({
      model: "m",
      prompt: { text: "Once" },
      sampling: { maxNewTokens: 5, temperature: 0, topP: 0.5, seed: 3 },
      stop: ["x"],
      stream: true,
      includeUsage: true,
    });
  });

  it("has content in parts, and developers speak as the system", () => {
    const parts = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ];
    const given = [
      { role: "developer", content: "Be kind." },
      { role: "user", content: parts },
    ];
    expect(readRequest({ messages: given }, "chat").prompt).toEqual({
      messages: [
        { role: "system", content: "Be kind." },
        { role: "user", content: "ab" },
      ],
    });
  });

  it.each([
    [{ messages: [] }, "messages"],
    [{ messages: [{ role: "user" }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: [{ type: "image_url" }] }] }, "messages[0].content"],
    [{ messages, n: 2 }, "n"],
    [{ messages, logprobs: true }, "logprobs"],
    [{ messages, tools: [{}] }, "tools"],
    [{ messages, frequency_penalty: 0.5 }, "frequency_penalty"],
    [{ messages, response_format: { type: "json_object" } }, "response_format"],
    [{ messages, temperature: "hot" }, "temperature"],
    [{ messages, temperature: 3 }, "temperature"],
    [{ messages, top_p: 0 }, "top_p"],
    [{ messages, max_tokens: 0 }, "max_tokens"],
    [{ messages, stop: ["a", "b", "c", "d", "e"] }, "stop"],
    [{ messages, stop: [""] }, "stop"],
    [{ messages, stream: "yes" }, "stream"],
  ])("%j is refused because of %s", (body, param) => {
    try {
      readRequest(body, "chat");
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(RequestError);
      expect(error).toMatchObject({ status: 400, param });
    }
  });

  it("of any JSON is read or refused", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom("chat" as const, "text" as const), (body, kind) => {
        try {
          readRequest(body, kind);
        } catch (error) {
          expect(error).toBeInstanceOf(RequestError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
