"""Talks to a server of the tests with the openai package, as a customer's script would."""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="k", max_retries=0)

models = [model.id for model in client.models.list()]
assert models == ["shoptide"], models

question = [{"role": "system", "content": "be short"}, {"role": "user", "content": "三千以内的手机"}]
answer = client.chat.completions.create(model="shoptide", messages=question, user="u1")
assert answer.choices[0].message.content == "you said 三千以内的手机", answer
assert answer.choices[0].finish_reason == "stop", answer
assert answer.usage.total_tokens == 15, answer
assert answer.model_extra["shoptide"]["source"] == "rules", answer

stream = client.chat.completions.create(
    model="shoptide", messages=question, stream=True, stream_options={"include_usage": True}
)
text, usage = "", None
for chunk in stream:
    usage = chunk.usage or usage
    for choice in chunk.choices:
        text += choice.delta.content or ""
assert text == "you said 三千以内的手机", text
assert usage.total_tokens == 15, usage

for model, message, expected in [
    ("gpt-4", "x", openai.NotFoundError),
    ("shoptide", "", openai.BadRequestError),
    ("shoptide", "too fast", openai.RateLimitError),
    ("shoptide", "away", openai.InternalServerError),
]:
    try:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": message}])
    except expected:
        continue
    raise AssertionError(f"{model} {message} was answered")

print("done")
