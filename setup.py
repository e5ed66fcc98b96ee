"""Packaging; also what Beam workers install (--setup_file)."""

from setuptools import find_packages, setup

setup(
    name="sluice",
    version="0.1.0",
    description="A production TFX pipeline for GRU sequence models",
    long_description=open("README.md", encoding="utf-8").read(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["pipeline*", "components*", "serving*"]),
    package_data={
        "pipeline": ["config.schema.json", "configs/*.yaml"],
        "pipeline.report": ["templates/*"],
        "components.servability": ["ops/*.txt"],
        "serving": ["*.yaml", "*.yml", "*.config", "grafana/*/*"],
    },
    # Workers run in an image or environment that has the pinned requirements; see requirements/.
    install_requires=[
        "tfx>=1.16,<1.22",
        "click",
        "fasteners",
        "google-crc32c",
        "httpx",
        "jinja2",
        "matplotlib",
        "pydantic>=2",
        "pyyaml",
        "rich",
        "scipy",
        "tenacity",
        "tensorboard",
        "tensorflow-serving-api",
        "waitress",
        "werkzeug",
    ],
    entry_points={"console_scripts": ["sluice=pipeline.cli:main"]},
)
