"""The demo: a month of LLM usage becomes a paid invoice, driven with the genuine OpenMeter SDK over HTTP."""
