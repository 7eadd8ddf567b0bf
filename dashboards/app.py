"""The Streamlit app: who is there, which study, which pages their roles open. Streamlit runs this file for each view of a page."""

from __future__ import annotations

import streamlit as st

from dashboards.entry import run

st.set_page_config(page_title="OpenRTSM", layout="wide", initial_sidebar_state="collapsed")
run()
