"""The metrics of AWS that alarms look at, as its documentation names them: title, dimensions of one series, statistics.

A name or dimension that nobody sends is a series without data, and such an alarm never rings.
"""

LAMBDA = "Types of metrics for Lambda functions"
STEP_FUNCTIONS = "Monitoring Step Functions metrics using Amazon CloudWatch"
KINESIS = "Monitor the Amazon Kinesis Data Streams service with Amazon CloudWatch"
DYNAMODB = "DynamoDB metrics and dimensions"
HTTP_API = "Working with metrics for HTTP APIs"
SQS = "Available CloudWatch metrics for Amazon SQS"

# (namespace, metric) -> (title, dimensions, statistic that makes sense of it)
DOCUMENTED = {
    ("AWS/Lambda", "Errors"): (LAMBDA, ("FunctionName",), "Sum"),
    ("AWS/Lambda", "Throttles"): (LAMBDA, ("FunctionName",), "Sum"),
    ("AWS/Lambda", "DestinationDeliveryFailures"): (LAMBDA, ("FunctionName",), "Sum"),
    ("AWS/Lambda", "IteratorAge"): (LAMBDA, ("FunctionName",), "Maximum"),
    # "For a Region": of no function.
    ("AWS/Lambda", "ClaimedAccountConcurrency"): (LAMBDA, (), "Maximum"),
    ("AWS/States", "ExecutionsFailed"): (STEP_FUNCTIONS, ("StateMachineArn",), "Sum"),
    ("AWS/States", "ExecutionsTimedOut"): (STEP_FUNCTIONS, ("StateMachineArn",), "Sum"),
    ("AWS/Kinesis", "WriteProvisionedThroughputExceeded"): (KINESIS, ("StreamName",), "Sum"),
    ("AWS/Kinesis", "ReadProvisionedThroughputExceeded"): (KINESIS, ("StreamName",), "Sum"),
    # ThrottledRequests would need one alarm for each operation: its dimensions are TableName and Operation.
    ("AWS/DynamoDB", "ReadThrottleEvents"): (DYNAMODB, ("TableName",), "Sum"),
    ("AWS/DynamoDB", "WriteThrottleEvents"): (DYNAMODB, ("TableName",), "Sum"),
    ("AWS/ApiGateway", "5xx"): (HTTP_API, ("ApiId",), "Sum"),
    ("AWS/ApiGateway", "Latency"): (HTTP_API, ("ApiId",), "p99"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): (SQS, ("QueueName",), "Maximum"),
}
